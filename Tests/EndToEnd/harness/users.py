"""Users without rights, and what they need to run a daemon or a worker."""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import sysconfig

import pytest

# What a project of the tests imports, with what says its version.
PACKAGES = ["alembic", "sqlalchemy", "mako", "markupsafe", "psycopg2", "typing_extensions", "greenlet"]


def other_user(name):
    """An entry of `pwd`; only root can start anything as another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can start processes as other users")
    return pwd.getpwnam(name)


def as_user(user, capabilities=()):
    """Options of setpriv for a user, who keeps the named capabilities and gives them to children."""
    if not user:
        return []
    kept = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            f"--inh-caps={kept}", f"--ambient-caps={kept}"]


def can(user, *command):
    """Whether a command succeeds as the user.

    By a second setpriv: the first still has root's capabilities when it looks for the program."""
    return subprocess.run(
        ["setpriv", *as_user(user), "--", "setpriv", "--no-new-privs", "--", *map(str, command)], cwd="/", capture_output=True,
    ).returncode == 0


def public_program(user, program, folder):
    """The program, or a copy where the user cannot reach it."""
    if can(user, "test", "-x", program):
        return program
    copy = folder / program.name
    shutil.copy(program, copy)
    copy.chmod(0o755)
    return copy


def public_python(user, folder):
    """An interpreter with Alembic that the user can run: the tests' own may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [pathlib.Path(sys.base_prefix, "bin", version), pathlib.Path("/usr/bin", version)]
    found = [path for path in candidates if can(user, path, "-c", "import ssl")]
    if not found:
        pytest.skip(f"{user.pw_name} can run none of {candidates}")
    subprocess.run([found[0], "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = pathlib.Path(sysconfig.get_path("purelib"))
    target = folder / "venv" / "lib" / version / "site-packages"
    for entry in packages.iterdir():
        if not entry.name.lower().startswith(tuple(PACKAGES)):
            continue
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name)
        else:
            shutil.copy(entry, target)
    open_to_all(folder)
    return folder / "venv" / "bin" / "python"


def open_to_all(folder):
    """Lets everybody read what lies in a folder, whatever the umask is."""
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
