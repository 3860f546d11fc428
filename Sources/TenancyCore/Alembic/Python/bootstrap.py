"""Runs a Python program of migrationd: `python /dev/fd/3`, its modules as JSON in fd 4.

Nothing is installed and no file is left. An argument may name another descriptor than 4."""

import importlib.machinery
import json
import linecache
import os
import sys


class Modules:
    """Finds and loads the program's modules, so that tracebacks show their lines."""

    def __init__(self, bootstrap, program):
        self.bootstrap, self.program = bootstrap, program

    def find_spec(self, name, path=None, target=None):
        is_ours = name.startswith("migrationd_") and name in self.program
        return importlib.machinery.ModuleSpec(name, self, origin=f"<{name}>") if is_ours else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        file, source = module.__spec__.origin, self.program[module.__name__]
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        exec(compile(source, file, "exec"), vars(module))


texts = []
for descriptor in map(int, [os.path.basename(sys.argv[0]), *(sys.argv[1:] or ["4"])]):
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, encoding="utf-8", closefd=False) as file:
        texts.append(file.read())
    # Tracebacks look for the lines of this script in /dev/fd/3: its number must never be that of a
    # pipe, whose reader would wait forever.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
linecache.cache[sys.argv[0]] = (len(texts[0]), None, texts[0].splitlines(True), sys.argv[0])
if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # The folder of this script.
sys.argv[:] = ["alembic"]
sys.meta_path.insert(0, Modules(texts[0], json.loads(texts[1])))
importlib.import_module(sys.meta_path[0].program["main"]).main()
