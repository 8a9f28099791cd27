"""Peers of the program, brought from their registries, and what they are given to do the same work."""

import os
import pathlib
import subprocess
import sys
import xml.sax.saxutils

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# Everything that is built or installed here goes into one folder, which `cargo clean` removes.
BENCH = TARGET / "bench"
TESTINFRA = "pytest-testinfra==10.2.2"
SCANNERS = ["semgrep==1.175.1", "ast-grep-cli==0.51.1"]
# Makes the keys of a large keyring.
CRYPTOGRAPHY = "cryptography==48.0.0"
# By which a document speaks of approval, as a person would search for them.
WORDS = r"\b(approv(e[sdr]?|al|als|ing)|authori[sz](e|ed|es|ing|ations?)|SG_?[12]|sovereigns?|rulings?|phê duyệt|chấp thuận|duyệt)\b|^(gate|allowance|run_id):"


def compiled(name):
    """A program of one C file in this folder."""
    source, program = ROOT / "benches" / f"{name}.c", BENCH / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BENCH.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
    return program


def regorus():
    """The Rego interpreter `regorus` in a small program of its own."""
    manifest, target = ROOT / "benches" / "regorus" / "Cargo.toml", BENCH / "regorus"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir", target]
    subprocess.run(command, check=True)
    return target / "release" / "regorus-rules"


def testinfra():
    """A Python environment with pytest-testinfra."""
    return installed("testinfra", [TESTINFRA]) / "python"


def scanners():
    """The folder of programs that search code by its structure."""
    return installed("scanners", SCANNERS)


def installed(name, packages):
    """The programs of a Python environment with these packages, made once."""
    programs = BENCH / name / "bin"
    mark = BENCH / name / "installed"
    wanted = "\n".join(packages)
    if not mark.exists() or mark.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", programs.parent], check=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
        mark.write_text(wanted)
    return programs


def python_with(*packages):
    """A Python environment with packages that scenes are made with."""
    return installed("scenes", packages) / "python"


def testinfra_files(scene, count):
    """A test file that asks kind, owner, group and mode of the scene's first `count` files."""
    names = [str(scene.peers["tree"] / name) for name in scene.peers["names"][:count]]
    test = scene.folder.parent / "test_files.py"
    test.write_text(
        f"import pytest\n\nPATHS = {names!r}\n\n\n@pytest.mark.parametrize('path', PATHS)\ndef test_file(host, path):\n"
        f"    file = host.file(path)\n    assert file.is_file and file.uid == {os.getuid()}\n"
        f"    assert file.gid == {os.getgid()} and file.mode == 0o640\n"
    )
    return test


def testinfra_host(scene):
    """A test file that asks what the scene's twenty checks ask, but for the database, which testinfra cannot read."""
    test = scene.folder.parent / "test_host.py"
    paths = [(path, kind, int(mode, 8)) for path, kind, mode in scene.peers["paths"]]
    test.write_text(
        f"import tomllib\n\nimport pytest\n\nPATHS = {paths!r}\nSETTINGS = {str(scene.peers['settings'])!r}\n\n\n"
        "@pytest.mark.parametrize('path,kind,mode', PATHS)\ndef test_path(host, path, kind, mode):\n"
        "    file = host.file(path)\n    assert getattr(file, f'is_{kind}') and file.mode == mode\n"
        "    assert file.user == 'root' and file.group == 'root'\n\n\n"
        "@pytest.mark.parametrize('table,key,value', [('server', 'port', 8443), ('server', 'name', 'bench'), ('limits', 'users', 50)])\n"
        "def test_settings(host, table, key, value):\n"
        "    assert tomllib.loads(host.file(SETTINGS).content_string)[table][key] == value\n\n\n"
        "@pytest.mark.parametrize('program', ['tar', 'gzip'])\ndef test_program(host, program):\n    assert host.exists(program)\n\n\n"
        "def test_host(host):\n    assert host.system_info.distribution\n"
    )
    return test


OVAL = """<?xml version="1.0" encoding="UTF-8"?>
<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"
    xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"
    xmlns:unix="http://oval.mitre.org/XMLSchema/oval-definitions-5#unix"
    xmlns:ind="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent">
<generator><oval:schema_version>5.11</oval:schema_version><oval:timestamp>2026-01-01T00:00:00</oval:timestamp></generator>
<definitions>
{definitions}</definitions>
<tests>
{tests}</tests>
<objects>
{objects}</objects>
<states>
{states}</states>
</oval_definitions>
"""
DEFINITION = """<definition class="compliance" id="oval:bench:def:{n}" version="1">
<metadata><title>{n}</title><description>{n}</description></metadata>
<criteria>{criteria}</criteria></definition>
"""
CRITERION = '<criterion test_ref="oval:bench:tst:{n}"/>'
TEST = """<{kind}_test id="oval:bench:tst:{n}" version="1" check="all" comment="{n}">
<{space}:object object_ref="oval:bench:obj:{n}"/><{space}:state state_ref="oval:bench:ste:{state}"/></{kind}_test>
"""
FILE = '<unix:file_object id="oval:bench:obj:{n}" version="1"><unix:filepath>{path}</unix:filepath></unix:file_object>\n'
# The elements of a state come in the order of the schema.
BITS = ["uread", "uwrite", "uexec", "gread", "gwrite", "gexec", "oread", "owrite", "oexec"]
KEY = """<ind:textfilecontent54_object id="oval:bench:obj:{n}" version="1"><ind:filepath>{path}</ind:filepath>
<ind:pattern operation="pattern match">^{key}=(.*)$</ind:pattern>
<ind:instance datatype="int">1</ind:instance></ind:textfilecontent54_object>
"""
VALUE = """<ind:textfilecontent54_state id="oval:bench:ste:{n}" version="1">
<ind:subexpression>{value}</ind:subexpression></ind:textfilecontent54_state>
"""


def oscap_files(scene):
    """OpenSCAP's evaluation of kind, owner, group and mode of the scene's files."""
    paths = [xml.sax.saxutils.escape(str(scene.peers["tree"] / name)) for name in scene.peers["names"]]
    wanted = dict.fromkeys(BITS, "false") | {"uread": "true", "uwrite": "true", "gread": "true"}
    bits = "".join(f'<unix:{bit} datatype="boolean">{value}</unix:{bit}>' for bit, value in wanted.items())
    state = (
        f'<unix:file_state id="oval:bench:ste:1" version="1"><unix:type>regular</unix:type>'
        f"<unix:group_id datatype=\"int\">{os.getgid()}</unix:group_id><unix:user_id datatype=\"int\">{os.getuid()}</unix:user_id>"
        f"{bits}</unix:file_state>\n"
    )
    rows = range(1, len(paths) + 1)
    text = OVAL.format(
        definitions="".join(DEFINITION.format(n=n, criteria=CRITERION.format(n=n)) for n in rows),
        tests="".join(TEST.format(n=n, kind="unix:file", space="unix", state=1) for n in rows),
        objects="".join(FILE.format(n=n, path=path) for n, path in enumerate(paths, 1)),
        states=state,
    )
    return oscap(scene, text)


def oscap_keys(scene):
    """OpenSCAP's evaluation of the scene's keys, one definition for each."""
    keys, path = scene.peers["keys"], xml.sax.saxutils.escape(str(scene.peers["facts"]))
    rows = range(1, len(keys) + 1)
    text = OVAL.format(
        definitions="".join(DEFINITION.format(n=n, criteria=CRITERION.format(n=n)) for n in rows),
        tests="".join(TEST.format(n=n, kind="ind:textfilecontent54", space="ind", state=n) for n in rows),
        objects="".join(KEY.format(n=n, path=path, key=key) for n, (key, _) in enumerate(keys, 1)),
        states="".join(VALUE.format(n=n, value=value) for n, (_, value) in enumerate(keys, 1)),
    )
    return oscap(scene, text)


def oscap(scene, text):
    definitions, results = scene.folder.parent / "oval.xml", scene.folder.parent / "results.xml"
    definitions.write_text(text)
    return ["oscap", "oval", "eval", "--results", results, definitions]
