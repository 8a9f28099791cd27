//! What a code block comes to, statement by statement.

use super::commands::Commands;

/// Teardowns, statements for one cut, and others.
fn of(info: &str, code: &str) -> [usize; 3] {
    let commands = Commands::of(info, code);
    [commands.teardown, commands.per_cut, commands.other]
}

#[test]
fn a_shell_ends_its_statements_at_lines_and_sql_does_not() {
    let shell = [
        ("ls -l\nrevert --run-id $RUN_ID\n", [0, 1, 1]),
        ("revert \\\n  --run-id $RUN_ID\n", [0, 1, 0]),
        // A quotation goes on over lines, to the quote that opened it.
        ("psql -c \"delete from u\nwhere run_id = 1\"\nls\n", [0, 1, 1]),
        ("psql -c 'delete from \"u\"\nwhere run_id = 1'\nls\n", [0, 1, 1]),
        ("echo \\\"\nrevert --run-id $RUN_ID\n", [0, 1, 1]),
        ("psql -c \"update u set x = 1 where run_id = 2\"", [0, 1, 0]),
    ];
    for (code, expected) in shell {
        assert_eq!(of("sh", code), expected, "{code}");
        assert_eq!(of("", code), expected, "a block that says no language and is none of SQL's: {code}");
    }
    assert_eq!(of("sql", "DELETE FROM u\nWHERE run_id = 1;\nVACUUM"), [0, 1, 1]);
    assert_eq!(of("", "DELETE FROM u\nWHERE run_id = 1;\nVACUUM"), [0, 1, 1]);
}

#[test]
fn comments_fillers_and_columns_are_no_commands() {
    assert_eq!(of("sql", "/* DELETE FROM t; x;*/ DELETE FROM u WHERE run_id = 1;"), [0, 1, 0]);
    assert_eq!(of("sql", "BEGIN;\nDELETE FROM u WHERE run_id = 1;\nCOMMIT;"), [0, 1, 0]);
    assert_eq!(of("sql", "ALTER TABLE t DROP COLUMN c;"), [0, 0, 1]);
    assert_eq!(of("sql", "DROP TABLE t; TRUNCATE u;"), [2, 0, 0]);
}

/// What stands in the value of an assignment is not run.
#[test]
fn an_assignment_ends_where_the_shell_ends_it() {
    let cases = [
        ("RUN_ID=\"run 1\" revert_leg_a", [0, 1, 0]),
        ("RUN_ID=\"please revert\" true", [0, 0, 1]),
        ("RUN_ID='it \" will revert' true", [0, 0, 1]),
        ("RUN_ID=$(echo revert) true", [0, 0, 1]),
        ("RUN_ID=$(echo 1) revert_leg_a", [0, 1, 0]),
        ("RUN_ID=1 X=2 revert_leg_a", [0, 1, 0]),
    ];
    for (code, expected) in cases {
        assert_eq!(of("sh", code), expected, "{code}");
    }
}
