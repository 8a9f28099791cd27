"""Writes random phases for the analysis of the live code path, in the form of the files of hazards.

    random_trees.py SEED COUNT

Each phase takes two truth values beside its context and is run with all of them. What it does is made of the
statements below: variables, collections and objects that are changed, callables that are kept and called, and the
forms of Python that let a run go another way.
"""

import random
import sys

INSERT = "ctx.conn.execute('INSERT INTO t VALUES (1)')"


def indented(lines, by=1):
    return ["    " * by + line for line in lines]


class Program:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.top = []
        self.names = 0
        self.is_async = self.r.random() < 0.3
        self.in_async = False
        self.helpers = []
        self.used = set()
        self.nested = 0

    def one(self, *options):
        return self.r.choice(options)

    def maybe(self, chance):
        return self.r.random() < chance

    def name(self, stem):
        self.names += 1
        return f"{stem}{self.names}"

    # What does something.

    def effect(self):
        """An expression for its effect."""
        k = self.r.random()
        if k < 0.34:
            return self.one("ctx.adapter.write([1])", "ctx.adapter.write([1])", "ctx.adapter.write(ctx.rows)")
        if k < 0.46:
            return "ctx.discoverer.simulate_cut([1])"
        if k < 0.52:
            return "gate.require()"
        if k < 0.64:
            return self.one(INSERT, "ctx.conn.commit()", "ctx.conn.rollback()", INSERT, "ctx.conn.commit()")
        if k < 0.80:
            return self.change()
        if k < 0.88:
            return self.one("step(ctx)", "table['k'](ctx)", "table.get('k', idle)(ctx)", "box.go(ctx)", "steps[0](ctx)", "box.step(ctx)")
        if k < 0.93:
            return self.one("print(n)", "idle(ctx)", "len(items)", "ctx.adapter.peek()")
        return self.hazard()

    def hazard(self):
        """An expression that may raise, for reasons of its own."""
        return self.one(
            "ctx.rows[0]", "int('z')", "{'a': 1}[kind]", "1 // n", "items.remove(1)", "next(iter(items))", "items[0]",
            "ctx.rows.index('r')", "fail(ctx)", "fail(ctx)", "box.missing", "hook(ctx)", "items.pop()", "refuse(a)", "refuse(b)",
        )

    def change(self):
        return self.one(
            "items.append(1)", "items.clear()", "steps.append(doing)", "steps.clear()", "steps.reverse()",
            "table.update(k=doing)", "table.pop('k', None)", "table.setdefault('k', doing)", "items.extend(ctx.rows)",
            "setattr(box, 'flag', a)", "box.mark()", "box.swap(ctx)", "spoil(ctx, items, box, table)", "steps.insert(0, doing)",
            "ctx.rows.append('x')", "ctx.rows.clear()", "KEPT.append(1)", "KEPT.clear()", "table.clear()",
        )

    def raised(self):
        return self.one("raise ValueError('v')", "raise RuntimeError('r')", "raise Mine('m')", "raise Other('o')", "raise KeyError('k')", "raise SystemExit(1)", "raise Mine")

    def test(self, depth=1):
        k = self.r.random()
        if depth and k < 0.16:
            return f"not {self.test(0)}"
        if depth and k < 0.30:
            return f"{self.test(0)} {self.one('and', 'or')} {self.test(0)}"
        if depth and k < 0.34:
            return f"({self.test(0)} if {self.one('a', 'b', 'flag')} else {self.test(0)})"
        if k < 0.50:
            return self.one("a", "b", "a", "b", "flag")
        return self.one(
            "flag", "ctx.rows", "items", "kind == 'x'", "kind != 'y'", "n > 0", "n == 1", "box.flag", "step is idle",
            "'k' in table", "hook is None", "hook", "steps", "table", "len(items) > 1", "KEPT", "ctx.mode is Mode.LIVE",
            "ctx.mode == Mode.DRYRUN", "box", "(m := len(items))", "any(items)", "all(ctx.rows)", "isinstance(box, Better)",
            "kind in ('x', 'z')", "hook is not None", "box.ready", "bool(items)", "box.kind == 'x'", "callable(hook)", "STATE['on']",
            "getattr(box, 'flag')", "hasattr(box, 'extra')", "done", "ctx.adapter", "ctx.adapter is not None",
        )

    def callable_of(self):
        """A function of the context."""
        return self.one(
            "doing", "idle", "wet", "dry", "doing", "wet", "(lambda ctx: ctx.adapter.write([1]))", "(lambda ctx: None)",
            "functools.partial(chosen, a)", "functools.partial(chosen, again=b)", "box.go", "box.step", "Caller(a)", "Caller(True)",
            "doing if a else idle", "table['k']", "steps[-1]", "wrapped", "pick(kind)", "made(a)", "made(True)", "methodical(box)",
            "REGISTRY['live']", "REGISTRY.get(ctx.mode.value)", "REGISTRY['live']",
        )

    # Statements.

    def block(self, depth, least=1):
        out = []
        for _ in range(self.r.randint(least, 3 if depth > 1 else 2)):
            out += self.statement(depth)
        return out

    def statement(self, depth):
        k = self.r.random()
        if depth <= 0 or k < 0.26:
            return [self.effect()]
        if k < 0.40:
            return self.assigned()
        options = [
            (10, self.branch), (9, self.tried), (6, self.loop), (4, self.while_loop), (7, self.matched), (8, self.managed),
            (5, self.called), (4, self.collected), (4, self.local_function), (4, self.short), (3, self.left), (4, self.driven),
            (4, self.threads), (2, self.global_state), (3, self.stacked),
        ]
        if self.in_async:
            options += [(16, self.tasks), (6, self.awaited), (4, self.async_managed)]
        choose = self.r.choices([each for _, each in options], [weight for weight, _ in options])[0]
        return choose(depth)

    def assigned(self):
        return [self.one(
            "flag = a", "flag = not flag", "flag = b", "flag = True", "flag = bool(items)", "n += 1", "n = len(items)", "n = 0",
            "kind = 'y'", "kind = 'x' if a else 'y'", "kind = ctx.mode.value", "items = []", "items = [1]", "items = list(ctx.rows)",
            "items = ctx.rows", "other = items", "box.flag = b", "box.flag = True", "box = Better()", "box = Box() if a else Better()",
            "ctx.adapter = NullAdapter(ctx.conn)" if self.maybe(0.4) else "flag = flag or a", "del table['k']", "items, other = other, items",
            "box.extra = 1", "table = dict(table)", "steps = list(steps)", "steps = steps[1:]", "other = box", "done = True", "done = a",
            "kind, n = 'z', 1", "STATE['on'] = a", "Box.flag = a", "box.step = doing", "box.kind = kind", "hook = None", "first, *rest = [1, *items]",
            f"hook = {self.callable_of()}", f"step = {self.callable_of()}", f"step = {self.callable_of()}", f"table['k'] = {self.callable_of()}",
            f"steps = [{self.callable_of()}, {self.callable_of()}]", f"table = {{'k': {self.callable_of()}, 'x': {self.callable_of()}}}",
            f"steps += [{self.callable_of()}]", f"steps[0] = {self.callable_of()}",
        )]

    def branch(self, depth):
        out = [f"if {self.test()}:"] + indented(self.block(depth - 1))
        if self.maybe(0.25):
            out += [f"elif {self.test()}:"] + indented(self.block(depth - 1))
        if self.maybe(0.45):
            out += ["else:"] + indented(self.block(depth - 1))
        return out

    def tried(self, depth):
        out = ["try:"] + indented(self.block(depth - 1))
        handlers = self.r.randint(0, 2)
        for _ in range(handlers):
            caught = self.one("Exception", "ValueError", "RuntimeError", "Mine", "Other", "(ValueError, Mine)", "KeyError", "LookupError", "BaseException", "gate.Refused", "TypeError", "AttributeError", "IndexError", "ERRORS")
            out += [f"except {caught}{self.one('', ' as error')}:"] + indented(
                self.one(["pass"], self.block(depth - 1), ["raise"], ["return None"], self.block(depth - 1), ["raise ValueError('again')"]))
        if handlers and self.maybe(0.3):
            out += ["else:"] + indented(self.block(depth - 1))
        if not handlers or self.maybe(0.3):
            out += ["finally:"] + indented(self.one(self.block(0), self.block(depth - 1), self.block(0) + (["return None"] if self.maybe(0.3) else [])))
        return out

    def loop(self, depth):
        over = self.one("ctx.rows", "items", "[1, 2]", "('a', 'b')", "list(items)", "KEPT", "[r for r in ctx.rows]", "range(n)", "steps", "table.values()", "sorted(ctx.rows)", "reversed(steps)", "zip(items, steps)", "enumerate(steps)", "table", "table.items()", "steps + [doing]", "filter(None, items)", "list(steps)", "{1, 2}", "(1, a, 3)", "dict.fromkeys(items)", "iter(items)")
        body = self.block(depth - 1)
        if over in ("steps", "table.values()", "reversed(steps)", "steps + [doing]", "list(steps)") and self.maybe(0.8):
            body = ["each(ctx)"] + (body if self.maybe(0.3) else [])
        if self.maybe(0.35):
            at = self.r.randint(0, len(body))
            while at < len(body) and (body[at].startswith(" ") or body[at].split(":")[0].split(" ")[0] in ("else", "elif", "except", "finally")):
                at += 1
            body[at:at] = self.one(["break"], [f"if {self.test()}:", "    break"], [f"if {self.test()}:", "    continue"], ["if each:", "    break"])
        out = [f"for each in {over}:"] + indented(body)
        if self.maybe(0.15):
            out += ["else:"] + indented(self.block(depth - 1))
        return out

    def while_loop(self, depth):
        n = self.name("turn")
        test = self.one(f"{n} < 2", f"{n} < 2 and {self.test()}", f"{self.test()} and {n} < 2", "True", f"not done and {n} < 2")
        body = [f"{n} += 1"] + ([f"if {n} > 2:", "    break"] if test == "True" else []) + self.block(depth - 1)
        out = [f"{n} = 0", f"while {test}:"] + indented(body)
        if self.maybe(0.15):
            out += ["else:"] + indented(self.block(depth - 1))
        return out

    def matched(self, depth):
        subject, cases = self.one(
            ("ctx.mode", ["Mode.DRYRUN", "Mode.LIVE", "Mode.DRYRUN | Mode.LIVE"]),
            ("ctx.mode.value", ["'live'", "'dryrun'", "str()"]),
            ("kind", ["'x'", "'y'", "'x' | 'z'", "str()"]),
            ("(a, b)", ["(True, True)", "(True, _)", "(_, False)", "(False, flag)", "[x, y]", "(x, y) if x and y"]),
            ("items", ["[]", "[x]", "[x, *rest]", "list()", "[_, _]"]),
            ("table", ["{'k': f}", "{'x': f}", "{'k': f, **rest}", "{}"]),
            ("box", ["Better()", "Box(flag=True)", "Box(flag=x) if x", "Better(kind='x')", "Box()", "Box(missing=1)", "Better(ready=True)", "Box(\"x\")"]),
            ("hook", ["None", "f if f is step", "Caller()", "Caller(on=True)"]),
            ("a", ["True", "False", "bool()"]),
            ("n", ["0", "1", "int()", "0 | 1", "bool()"]),
            ("[ctx.mode, a]", ["[Mode.LIVE, True]", "[Mode.LIVE, _]", "[_, False]"]),
            ("(kind, box)", ["('x', Better())", "('y', _)", "(str(), Box(flag=True))"]),
            ("{'mode': ctx.mode, 'a': a}", ["{'mode': Mode.LIVE, 'a': True}", "{'a': False}", "{'mode': Mode.LIVE}", "{'c': _}"]),
            ("len(items)", ["0", "1", "int()"]),
            ("STATE", ["{'on': True}", "{'on': x} if x", "{'off': _}"]),
        )
        out = [f"match {subject}:"]
        for case in self.r.sample(cases, self.r.randint(1, min(2, len(cases)))):
            guard = f" if {self.test(0)}" if self.maybe(0.25) and " if " not in case else ""
            out += indented([f"case {case}{guard}:"] + indented(self.block(depth - 1)))
        if self.maybe(0.5):
            out += indented([f"case {self.one('_', 'whatever')}:"] + indented(self.block(depth - 1)))
        return out

    def manager(self):
        self.used.add("managers")
        return self.one("held(ctx, a)", "Held(ctx, a)", "contextlib.suppress(ValueError)", "contextlib.suppress(Exception)", "contextlib.nullcontext()", "quiet(ctx)", "Quiet()", "twice(ctx)", "contextlib.closing(box)", "LOCK", "skips(a)", "Held(ctx, True)", "contextlib.suppress(Mine, KeyError)", "ctx.conn", "contextlib.suppress(gate.Refused)")

    def managed(self, depth):
        first = self.manager()
        return [f"with {first}{self.one('', ' as thing')}{', ' + self.manager() if self.maybe(0.15) else ''}:"] + indented(self.block(depth - 1))

    def stacked(self, depth):
        put = self.one(
            "stack.callback(doing, ctx)", "stack.callback(ctx.conn.commit)", "stack.callback(ctx.conn.rollback)", f"stack.enter_context({self.manager()})",
            "stack.push(told)", "stack.callback(items.clear)", "stack.callback(step, ctx)", "stack.callback(spoil, ctx, items, box, table)")
        body = (self.block(depth - 1) if self.maybe(0.4) else []) + [put] + self.block(depth - 1)
        if self.maybe(0.15):
            body += ["stack.pop_all()"]
        return ["with contextlib.ExitStack() as stack:"] + indented(body)

    def called(self, depth):
        if self.helpers and self.maybe(0.3):
            name, is_async = self.one(*self.helpers)
        elif self.nested > 2:
            return [self.effect()]
        else:
            name, is_async = self.helper(depth - 1)
        arguments = self.one("ctx, a, b, items, box", "ctx, b, a, items, box", "ctx, True, b, items, box", "ctx, a, b, [], Box()", "ctx, not a, flag, items, box")
        call = f"{name}({arguments})"
        if is_async:
            if not self.in_async:
                return [f"asyncio.run({call})"] if not self.is_async else [self.effect()]
            call = f"await {call}"
        return self.one([call], [f"flag = {call}"], [f"if {call}:"] + indented(self.block(depth - 1)), [f"if not {call}:"] + indented([self.one("return None", self.raised(), self.effect())]), [f"return {call}"] if self.maybe(0.3) else [call])

    def parameters(self):
        return "ctx: Ctx, a: bool, b: bool, items, box"

    def helper(self, depth, is_async=None, generator=False):
        """A function of the module."""
        name = self.name("helper")
        before, self.in_async = self.in_async, (self.is_async and self.maybe(0.5)) if is_async is None else is_async
        mine = self.in_async
        self.nested += 1
        body = self.block(max(depth, 0)) + self.one([], ["return True"], ["return flag"], ["return items"], ["return a"], [f"if {self.test()}:", "    return True"])
        if generator:
            at = self.r.randint(0, 1)
            body = (["yield 1"] if at else []) + body + ([] if at and self.maybe(0.5) else ["yield 2"])
        self.nested -= 1
        self.in_async = before
        decorated = self.one([], [], [], ["@around"], ["@swallowing"], ["@guarded"], ["@retried"], ["@functools.lru_cache"] if False else []) if not mine and not generator else []
        head = f"{'async ' if mine else ''}def {name}({self.parameters()}):"
        self.top += decorated + [head] + indented(self.locals() + body)
        if not generator:
            self.helpers.append((name, mine))
        return name, mine

    def locals(self):
        return [
            "flag = a", "n = 0", "kind = 'x'", "other = []", "hook = None", "done = False", "step = doing",
            "table = {'k': doing, 'x': idle}", "steps = [doing]",
        ]

    def collected(self, depth):
        f = self.callable_of()
        source = self.one("steps", "ctx.rows", "items", "[doing, idle]", "table.values()", "(doing, idle)")
        call = "each(ctx)" if source not in ("ctx.rows", "items") else self.one("step(ctx)", "doing(ctx)", "ctx.adapter.write([each])")
        condition = self.one("", "", f" if {self.test(0)}")
        form = self.one(
            f"[{call} for each in {source}{condition}]", f"list({call} for each in {source}{condition})", f"any({call} for each in {source}{condition})",
            f"all({call} for each in {source}{condition})", f"{{{call} for each in {source}{condition}}}", f"{{1: {call} for each in {source}{condition}}}",
            f"sum(1 for each in {source} if {call})", f"list(map(lambda each: {call}, {source}))", f"next(({call} for each in {source}), None)",
            f"max((1 if {call} else 0 for each in {source}), default=0)", f"sorted([1], key=lambda each: step(ctx))", f"tuple({call} for each in {source}{condition})")
        later = self.one([form], [form], [f"flag = bool({form})"], [f"later = ({call} for each in {source}{condition})"] + self.block(0) + [self.one("list(later)", "next(later, None)", "pass", "any(later)")])
        return [f"steps = [{f}]"] * self.maybe(0.2) + later

    def local_function(self, depth):
        name = self.name("inner")
        changes = self.one([], ["nonlocal flag", "flag = b"], ["items.append(1)"], ["nonlocal step", "step = idle"], ["nonlocal n", "n += 1"])
        first = self.one(f"def {name}(ctx):", f"def {name}(ctx, kept=flag):", f"def {name}(ctx, kept=step):", f"def {name}(ctx, *more, **names):")
        own = self.one([self.effect()], [f"if {self.test(0)}:", f"    {self.effect()}"], ["kept(ctx)"] if "kept=step" in first else [self.effect()], ["return flag"], [self.raised()])
        out = [first] + indented(changes + own)
        use = self.one([f"{name}(ctx)"], [f"step = {name}"], [f"hook = {name}"], [f"table['k'] = {name}"], [f"steps.append({name})"], [f"box.step = {name}"], [f"try:", f"    {name}(ctx)", "except Exception:", "    pass"])
        between = self.block(0) if self.maybe(0.4) else []
        return out + between + use

    def short(self, depth):
        return self.one(
            [f"{self.test(0)} and {self.effect()}"], [f"{self.test(0)} or {self.effect()}"], [f"({self.effect()}) if {self.test()} else ({self.effect()})"],
            [f"flag = {self.test(0)} and {self.test(0)}"], [f"({self.callable_of()} if {self.test(0)} else {self.callable_of()})(ctx)"],
            [f"(hook or {self.callable_of()})(ctx)"], [f"if (got := {self.test(0)}) and got:", f"    {self.effect()}"],
            [f"assert {self.test(0)}"], [f"f'{{{self.effect().replace(chr(39), chr(34))}}}'"],
        )

    def left(self, depth):
        return self.one([self.raised()], ["return None"], ["return flag"], [f"if {self.test()}:", "    return None"], [f"if {self.test()}:", f"    {self.raised()}"])

    def driven(self, depth):
        if self.nested > 1:
            return [self.effect()]
        name, _ = self.helper(depth - 1, False, True)
        call = f"{name}({self.one('ctx, a, b, items, box', 'ctx, b, a, [], box')})"
        return self.one(
            [f"for each in {call}:"] + indented(self.block(depth - 1)), [f"list({call})"], [f"next({call}, None)"], [f"gen = {call}"] + self.block(0) + [self.one("list(gen)", "next(gen)", "next(gen, None)", "for each in gen:\n        break" if False else "sum(gen)", "pass")],
            [f"for each in {call}:", f"    if {self.test()}:", "        break"], [f"gen = {call}", "next(gen)", self.one("gen.close()", "list(gen)", "next(gen, None)")], [f"first, *rest = {call}"], [f"items.extend({call})"], [f"if any({call}):", f"    {self.effect()}"])

    def threads(self, depth):
        f = self.callable_of()
        return self.one(
            [f"worker = threading.Thread(target={f}, args=(ctx,))", "worker.start()", "worker.join()"],
            ["with concurrent.futures.ThreadPoolExecutor(1) as pool:", f"    future = pool.submit({f}, ctx)"] + self.one([], ["future.result()"], ["    future.result()"], ["if future.exception() is None:", f"    {self.effect()}"]),
            ["with concurrent.futures.ThreadPoolExecutor(1) as pool:", f"    {self.one('list(', 'any(', '(')}pool.map({f}, [ctx]))"],
            [f"worker = threading.Thread(target=lambda: {self.effect()})", "worker.start()", "worker.join()"],
            [f"for worker in [threading.Thread(target={f}, args=(ctx,))]:", "    worker.start()", "    worker.join()"],
        )

    def global_state(self, depth):
        return self.one(["mark_state(a)"], ["STATE['on'] = b"], ["STATE.update(on=True)"], ["STATE.clear()"], ["remember(step)", "recalled(ctx)"], ["remember(idle)"], ["recalled(ctx)"], ["gate.__execution_enabled__ = True" if self.maybe(0.2) else "mark_state(True)"])

    # What only an event loop does.

    def coroutine(self, depth):
        if self.nested > 1 or self.maybe(0.4):
            return self.one("slow(ctx)", "slow_fail(ctx)", "slow_wet(ctx)", "waiting(ctx)", "marks(ctx, box)", "reads(ctx, box)", "adds(items)", "slow_wet(ctx)")
        name, _ = self.helper(depth - 1, True)
        return f"{name}(ctx, a, b, items, box)"

    def awaited(self, depth):
        return self.one(
            [f"await {self.coroutine(depth)}"], ["await asyncio.sleep(0)"], [f"flag = await {self.coroutine(depth)}"], [f"if await {self.coroutine(depth)}:", f"    {self.effect()}"],
            [f"{self.coroutine(depth)}.close()"], [f"async for each in ticks(ctx):"] + indented(self.block(depth - 1)), [f"[each async for each in ticks(ctx)]"], [f"await asyncio.to_thread({self.callable_of()}, ctx)"],
            [f"coro = {self.coroutine(depth)}", *self.block(0), "await coro"], ["async for each in ticks(ctx):", "    break"])

    def async_managed(self, depth):
        return [f"async with {self.one('Aheld(ctx, a)', 'aheld(ctx)', 'asyncio.timeout(5)', 'asyncio.Lock()', 'aquiet()')}:"] + indented(self.block(depth - 1))

    def tasks(self, depth):
        c, d = self.coroutine(depth), self.coroutine(depth)
        keeps = self.one("", ", return_exceptions=True")
        return self.one(
            [f"await asyncio.gather({c}, {d}{keeps})"], [f"await asyncio.gather({c}{keeps})"], [f"task = asyncio.create_task({c})"] + self.block(0) + [self.one("await task", "await asyncio.sleep(0)", "pass", "task.cancel()", "await asyncio.gather(task)", "await asyncio.wait([task])", "await asyncio.wait_for(task, 5)", "task.result()", "await asyncio.shield(task)")],
            ["async with asyncio.TaskGroup() as group:", f"    task = group.create_task({c})"] + indented(self.block(depth - 1) if self.maybe(0.5) else [f"group.create_task({d})"]),
            [f"await asyncio.wait_for({c}, 5)"], [f"results = await asyncio.gather(*[{c} for each in {self.one('ctx.rows', 'items', '[1, 2]')}]{keeps})"],
            [f"tasks = [asyncio.create_task({c}), asyncio.create_task({d})]", self.one("await asyncio.wait(tasks)", "await asyncio.gather(*tasks)", f"await asyncio.gather(*tasks{keeps})", "for task in tasks:\n        await task" if False else "await tasks[0]", "await asyncio.sleep(0)")],
            [f"first, second = await asyncio.gather({c}, {d}{keeps})", "if first:", f"    {self.effect()}"],
            ["for done_one in asyncio.as_completed([" + c + "]):", "    await done_one"],
            [f"task = asyncio.create_task({c})", "try:", "    await task", f"except {self.one('Exception', 'ValueError', 'Mine')}:", "    pass"],
            [f"await asyncio.get_running_loop().run_in_executor(None, {self.callable_of()}, ctx)"],
            [f"pending = [{c}, {d}]", "for each in pending:", "    await each"],
        )

    # The module.

    def module(self):
        effect = self.effect_of_ctx
        out = [
            "import asyncio", "import concurrent.futures", "import contextlib", "import functools", "import threading", "",
            f"KEPT = {self.one('[]', '[1]')}", f"STATE = {{'on': {self.one('True', 'False')}}}", "MEMORY = []", "LOCK = threading.Lock()", "",
            "class Mine(Exception):", "    pass", f"class Other({self.one('Mine', 'ValueError', 'Exception', 'RuntimeError')}):", "    pass",
            f"ERRORS = {self.one('(ValueError,)', '(Mine, KeyError)', 'Mine', '(Exception,)', '()')}", "",
            "def idle(ctx):", "    return None", "def wet(ctx: Ctx):", "    ctx.adapter.write([1])", f"    return {self.one('True', 'False', 'None', '1')}",
            "def dry(ctx: Ctx):", "    return ctx.discoverer.simulate_cut([1])", "def fail(ctx):", f"    {self.raised()}",
            "def refuse(on):", "    if on:", f"        {self.raised()}",
            "def doing(ctx: Ctx):", f"    {effect()}", *indented(self.one([], ["return True"], ["return ctx.rows"])),
            "def chosen(on, ctx: Ctx = None, again=False):", "    if on:", f"        {effect()}", "    elif again:", f"        {effect()}",
            "def pick(kind):", "    return {'x': doing, 'y': idle}.get(kind, wet)", "def made(on):", "    def inner(ctx: Ctx):", "        if on:", f"            {effect()}", "    return inner",
            "def methodical(box):", "    return box.go",
            "def spoil(ctx, items, box, table):", f"    {self.one('items.clear()', 'items.append(1)', 'box.flag = True', 'table.clear()', 'ctx.adapter = NullAdapter(ctx.conn)', 'ctx.conn.rollback()', 'ctx.rows.clear()', 'table.update(k=idle)', 'KEPT.append(2)', 'pass')}",
            "def mark_state(on):", "    STATE['on'] = on", "def remember(f):", f"    MEMORY.{self.one('append(f)', 'insert(0, f)', 'clear()')}", "def recalled(ctx):", f"    {self.one('for f in MEMORY:', 'while MEMORY:', 'if MEMORY:')}", f"        {self.one('MEMORY.pop()(ctx)', 'MEMORY.pop()(ctx)')}",
            "def told(kind, error, trace):", f"    return {self.one('True', 'False', 'None')}",
            "def around(f):", "    @functools.wraps(f)", "    def inner(*args, **kwargs):", *indented(self.one(["return f(*args, **kwargs)"], ["f(*args, **kwargs)"], ["gate.require()", "return f(*args, **kwargs)"], ["try:", "    return f(*args, **kwargs)", "finally:", "    KEPT.append(1)"], ["if KEPT:", "    return f(*args, **kwargs)"]), 2), "    return inner",
            "def swallowing(f):", "    def inner(*args, **kwargs):", "        try:", "            return f(*args, **kwargs)", f"        except {self.one('Exception', 'ValueError', 'Mine')}:", "            return None", "    return inner",
            "def guarded(f):", "    def inner(*args, **kwargs):", "        gate.require()", "        return f(*args, **kwargs)", "    return inner",
            "def retried(f):", "    def inner(*args, **kwargs):", f"        for attempt in range({self.one('2', '3', '1')}):", "            try:", "                return f(*args, **kwargs)", "            except Exception:", f"                {self.one('pass', 'continue', 'if attempt: raise')}", *indented(self.one([], ["raise RuntimeError('gave up')"]), 2), "    return inner",
            "@around", "def wrapped(ctx: Ctx):", f"    {effect()}", "",
            "class Box:", f"    flag = {self.one('True', 'False')}", "    kind = 'x'", "    __match_args__ = ('kind',)" if self.maybe(0.5) else "    size = 1", "    def __init__(self):", f"        {self.one('self.flag = False', 'pass', 'self.step = idle', 'self.flag = True')}",
            "    def mark(self):", f"        {self.one('self.flag = True', 'self.flag = not self.flag', 'self.step = doing', 'Box.flag = True')}", "    def swap(self, ctx):", f"        {self.one('ctx.adapter = NullAdapter(ctx.conn)', 'self.step = idle', 'self.kind = 1', 'pass')}",
            "    def go(self, ctx: Ctx):", *indented(self.one([effect()], ["if self.flag:", f"    {effect()}"], ["self.step(ctx)"], ["return self.inner(ctx)"]), 2),
            "    def inner(self, ctx: Ctx):", f"        {effect()}", "    def step(self, ctx: Ctx):", f"        {effect()}", "    def close(self):", f"        {self.one('pass', 'self.flag = True', 'raise Mine(1)')}",
            "    @property", "    def ready(self):", f"        return {self.one('self.flag', 'True', 'not self.flag', 'bool(KEPT)', 'self.mark()')}",
            *self.one([], [], ["    def __bool__(self):", "        return self.flag"], ["    def __len__(self):", "        return 0"], ["    def __eq__(self, other):", "        return True", "    __hash__ = None"]),
            "class Better(Box):", *indented(self.one(["pass"], ["def inner(self, ctx: Ctx):", f"    {effect()}"], ["def go(self, ctx: Ctx):", "    super().go(ctx)", f"    {effect()}"], ["flag = True"], ["def __init__(self):", "    self.kind = 'y'"], ["@property", "def ready(self):", "    return False"], ["def step(self, ctx: Ctx):", f"    {effect()}"])),
            "class Caller:", "    def __init__(self, on):", "        self.on = on", "    def __call__(self, ctx: Ctx):", "        if self.on:", f"            {effect()}", "",
        ]
        out += self.registry()
        out += self.managers()
        if self.is_async:
            out += self.asynchronous()
        return out

    def effect_of_ctx(self):
        return self.one("ctx.adapter.write([1])", "ctx.adapter.write([1])", "ctx.adapter.write([1])", "ctx.discoverer.simulate_cut([1])", "gate.require()", INSERT, "ctx.conn.commit()", "ctx.conn.rollback()", "idle(ctx)", "ctx.rows.append('x')", "raise Mine('m')", "ctx.rows.clear()", "wet(ctx)", "dry(ctx)", "KEPT.append(1)", "return True", "ctx.adapter = NullAdapter(ctx.conn)")

    def registry(self):
        effect = self.effect_of_ctx
        form = self.r.randint(0, 5)
        if form == 0:
            return ["REGISTRY = {'live': wet, 'dryrun': dry}"]
        if form == 1:
            return ["REGISTRY = {}", "def register(name):", "    def put(f):", "        REGISTRY[name] = f", f"        return {self.one('f', 'idle', 'f')}", "    return put",
                    "@register('live')", "def live(ctx: Ctx):", f"    {effect()}", f"@register({self.one(repr('dryrun'), repr('live'), repr('other'))})", "def other(ctx: Ctx):", f"    {effect()}"]
        if form == 2:
            return ["class Registry(dict):", "    def put(self, f):", "        self[f.__name__] = f", "        return f", "REGISTRY = Registry()", "@REGISTRY.put", "def live(ctx: Ctx):", f"    {effect()}", "@REGISTRY.put", "def dryrun(ctx: Ctx):", f"    {effect()}"]
        if form == 3:
            return ["REGISTRY = {}", "class Registered:", "    def __init_subclass__(cls, **kw):", "        REGISTRY[cls.key] = cls.act", "class Live(Registered):", "    key = 'live'", "    @staticmethod", "    def act(ctx: Ctx):", f"        {effect()}", "class Dry(Registered):", f"    key = {self.one(repr('dryrun'), repr('live'))}", "    @staticmethod", "    def act(ctx: Ctx):", f"        {effect()}"]
        if form == 4:
            return ["REGISTRY = {mode.value: act for mode, act in [(Mode.LIVE, doing), (Mode.DRYRUN, dry)]}", *self.one([], ["REGISTRY.update(live=idle)"], ["REGISTRY['live'] = wet"], ["for key in list(REGISTRY):", "    REGISTRY[key] = idle"])]
        return ["REGISTRY = dict(live=wet, dryrun=dry)", *self.one([], ["if KEPT:", "    REGISTRY['live'] = idle"], ["try:", "    import nowhere_to_be_found", "except ImportError:", "    REGISTRY['live'] = doing"], ["REGISTRY |= {'live': doing}"], ["REGISTRY.setdefault('live', idle)"])]

    def managers(self):
        effect = self.effect_of_ctx
        return [
            "@contextlib.contextmanager", "def held(ctx: Ctx, on):",
            *indented(self.one([effect(), "yield", effect()], ["try:", "    yield ctx", "finally:", f"    {effect()}"], ["try:", "    yield", "except Exception:", f"    {self.one('pass', 'raise', 'if on: raise', effect())}"], ["try:", "    yield", "except ValueError:", "    if on:", "        raise"], ["try:", "    yield", "except Mine:", "    pass", "else:", f"    {effect()}"], ["with contextlib.suppress(Exception):", "    yield"], ["gate.require()", "yield"])),
            "@contextlib.contextmanager", "def quiet(ctx: Ctx):", "    try:", "        yield", "    except Exception:", "        pass",
            "@contextlib.contextmanager", "def twice(ctx: Ctx):", *indented(self.one(["yield"], ["for each in (1,):", "    yield"], ["if ctx.rows:", "    yield 1", "else:", "    yield 2"], ["with held(ctx, True):", "    yield"])),
            "class Held:", "    def __init__(self, ctx: Ctx, on):", "        self.ctx = ctx", "        self.on = on", "    def __enter__(self):", "        ctx = self.ctx", f"        {effect()}", "        return self", "    def __exit__(self, kind, error, trace):", "        ctx = self.ctx", f"        {self.one(effect(), 'pass')}", f"        return {self.one('True', 'False', 'None', 'self.on', 'kind is Mine', 'kind is not None', 'isinstance(error, Mine)', 'kind is not None and issubclass(kind, ValueError)', 'error')}",
            "class Quiet(contextlib.AbstractContextManager):", "    def __exit__(self, *why):", f"        return {self.one('True', 'False')}",
            "class skips:", "    def __init__(self, on):", "        self.on = on", "    def __enter__(self):", "        if self.on:", "            raise Mine('skipped')", "    def __exit__(self, *why):", f"        return {self.one('True', 'False')}",
        ]

    def asynchronous(self):
        effect = self.effect_of_ctx
        wait = self.one("await asyncio.sleep(0)", "pass")
        return [
            "async def slow(ctx: Ctx):", f"    {wait}", f"    {effect()}", f"    return {self.one('True', 'None', 'False')}", "async def slow_fail(ctx: Ctx):", f"    {self.one(wait, 'pass')}", f"    {self.raised()}",
            "async def slow_wet(ctx: Ctx):", f"    {self.one(wait, 'pass')}", "    ctx.adapter.write([1])", "    return True", "async def waiting(ctx: Ctx):", "    await asyncio.sleep(0)", f"    {effect()}",
            "async def marks(ctx: Ctx, box):", f"    {self.one(wait, 'pass')}", f"    {self.one('box.flag = True', 'box.step = idle', 'ctx.adapter = NullAdapter(ctx.conn)', 'ctx.rows.clear()')}",
            "async def reads(ctx: Ctx, box):", f"    {self.one(wait, 'pass')}", "    if box.flag:", f"        {effect()}", "    else:", f"        {effect()}",
            "async def adds(items):", f"    {self.one(wait, 'pass')}", f"    {self.one('items.append(1)', 'items.clear()')}",
            "async def ticks(ctx: Ctx):", f"    for each in {self.one('(1, 2)', 'ctx.rows', '()')}:", f"        {self.one(effect(), 'pass')}", "        yield each", f"    {effect().replace('return True', 'return')}",
            "class Aheld:", "    def __init__(self, ctx: Ctx, on):", "        self.ctx = ctx", "        self.on = on", "    async def __aenter__(self):", "        ctx = self.ctx", f"        {effect()}", "    async def __aexit__(self, kind, error, trace):", "        ctx = self.ctx", f"        {effect()}", f"        return {self.one('True', 'False', 'self.on', 'kind is Mine')}",
            "@contextlib.asynccontextmanager", "async def aheld(ctx: Ctx):", *indented(self.one(["yield"], ["try:", "    yield", "except Exception:", "    pass"], ["try:", "    yield", "finally:", f"    {effect()}"], [effect().replace('return True', 'pass'), "yield"])),
            "@contextlib.asynccontextmanager", "async def aquiet():", "    with contextlib.suppress(Mine):", "        yield",
        ]

    def whole(self):
        module = self.module()
        self.in_async = self.is_async
        body = self.block(3, 2)
        if self.maybe(0.75):
            body = ["gate.require()"] + body
        body += self.one(["ctx.adapter.write([1])"], ["ctx.adapter.write([1])"], [], ["if not flag:", "    ctx.adapter.write([1])"], ["step(ctx)"], ["table['k'](ctx)"], [INSERT, "ctx.conn.commit()"], ["return None"], ["for each in steps:", "    each(ctx)"])
        head = f"{'async ' if self.is_async else ''}def run(ctx: Ctx, a: bool, b: bool):"
        start = ["items = " + self.one("[]", "[1]", "list(ctx.rows)", "ctx.rows"), "box = " + self.one("Box()", "Better()")]
        lines = module + self.top + [head] + indented(start + self.locals() + body)
        return "\n".join(lines)


def needed(text):
    """The program without the definitions that nothing names: what is left is easier to judge, and to read."""
    import ast

    tree = ast.parse(text)
    chunks = []
    lines = text.split("\n")
    for node in tree.body:
        first = min([node.lineno] + [d.lineno for d in getattr(node, "decorator_list", [])])
        chunks.append((node, lines[first - 1 : node.end_lineno]))

    def bound(node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return {node.name}
        if isinstance(node, ast.Import):
            return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        if isinstance(node, ast.Assign):
            return {target.id for target in node.targets if isinstance(target, ast.Name)}
        return set()

    def named(node):
        return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}

    wanted = {"run"}
    while True:
        more = set(wanted)
        for node, _ in chunks:
            names = bound(node)
            if names & more or not names and named(node) & more & {"REGISTRY"} or getattr(node, "bases", None) and named(node) & more & {"Registered"}:
                more |= named(node) | names
            if any("REGISTRY" in ast.dump(d) or "'register'" in ast.dump(d) for d in getattr(node, "decorator_list", [])) and "REGISTRY" in more:
                more |= named(node) | names
            if getattr(node, "bases", None) and any(getattr(base, "id", "") == "Registered" for base in node.bases) and "REGISTRY" in more:
                more |= named(node) | names
            if isinstance(node, ast.ClassDef) and node.name == "Registered" and "REGISTRY" in more:
                more |= named(node) | names
            if isinstance(node, ast.FunctionDef) and node.name == "register" and "REGISTRY" in more:
                more |= named(node) | names
        if more == wanted:
            break
        wanted = more
    kept = [chunk for node, chunk in chunks if bound(node) & wanted or not bound(node) and "REGISTRY" in wanted]
    return "\n".join("\n".join(chunk) for chunk in kept)


def one_that_compiles(seed):
    for again in range(100):
        program = Program(f"{seed}x{again}")
        try:
            text = needed(program.whole())
            compile(text, seed, "exec")
        except SyntaxError:
            continue
        return program, text
    raise SystemExit(f"no program of the seed {seed} compiles")


CALLS = """
def calls(ctx, phase):
    return [((ctx, a, b), {}) for a in (False, True) for b in (False, True)]
"""


def main(seed, count):
    print("Random phases.\n")
    for index in range(count):
        program, text = one_that_compiles(f"{seed}x{index}")
        print(f"=== r{seed}x{index}")
        print(text)
        if program.is_async:
            print('--- config\n{"drive": "await"}')
        print("--- calls" + CALLS, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
