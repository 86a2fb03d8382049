"""Real ansible-core, on this machine and on nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    # In the place of one of this machine's.
    (home / "ansible.cfg").touch()
    return os.environ | {
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "ansible"),
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "LC_ALL": "C.UTF-8",
        "HOME": str(home),
    }


def playbook(home: Path, plays: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a playbook against this machine, in the group `control_plane`."""
    path = home / "play.yml"
    path.write_text(plays)
    inventory = home / "hosts.yml"
    python = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
    inventory.write_text(json.dumps({"control_plane": {"hosts": {"node-a": python}}}))
    command = [str(PROGRAMS / "ansible-playbook"), "-i", str(inventory), str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(home))


def module(
    home: Path, arguments: dict[str, Any], *options: str, name: str = "trimtab.kube.certificates"
) -> dict[str, Any]:
    """What one run of a module gives, `failed` included."""
    result = home / "result.json"
    result.unlink(missing_ok=True)
    write = "{{ run | to_json }}"
    tasks = [
        {name: arguments, "register": "run", "ignore_errors": True},
        {"ansible.builtin.copy": {"content": write, "dest": str(result)}, "check_mode": False, "diff": False},
    ]
    ran = playbook(home, json.dumps([{"hosts": "control_plane", "gather_facts": False, "tasks": tasks}]), *options)
    assert result.exists(), ran.stdout + ran.stderr
    said: dict[str, Any] = json.loads(result.read_text())
    return said | {"said": ran.stdout + ran.stderr}
