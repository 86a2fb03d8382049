#!/usr/bin/python
"""Prunes a cluster's history by its controllers' own rules: `trimtab.history` as a module of Ansible."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from trimtab import TrimtabError, history
except ImportError:
    MISSING = traceback.format_exc()
else:
    MISSING = ""

DOCUMENTATION = r"""
module: history
short_description: Prunes a cluster's history by its controllers' own rules, or below them
version_added: 0.1.0
description:
  - Plans which old ReplicaSets, ControllerRevisions, finished Jobs, ended Pods and records of Helm may go, and deletes
    them.
  - Each object is read again right before its deletion, is written to the journal, and is deleted with its uid and its
    resourceVersion as preconditions. What somebody changed meanwhile is left alone.
  - Killed at any moment, the next run with the same journal goes on.
  - Run it once for a cluster, from a host that reaches its API server (C(run_once=true)).
  - Nothing that a Secret holds is in anything that it returns. The journal holds the objects whole, with mode 0600.
requirements:
  - trimtab in the Python that runs the module
options:
  version:
    description: The release of the cluster, such as V(1.34.2); the rules of its controllers hold.
    type: str
    required: true
  kubeconfig:
    description: A kubeconfig. Without one, what kubectl would take.
    type: path
  context:
    description: Which of its contexts, where that is not its current one.
    type: str
  policy:
    description:
      - What differs from the controllers' own rules, as C(trimtab.history.pruning_plan) takes it, such as C(parts),
        C(namespaces), C(revisions), C(jobs), C(helm), C(blastRadius).
    type: dict
    default: {}
  journal:
    description:
      - The file that gets every object before its deletion. Its folder has to be there.
      - Not needed in check mode.
    type: path
  deletes_per_second:
    description: Of all lanes together; V(0) is as fast as it goes.
    type: float
    default: 10
  lanes:
    description: How many objects are worked on at once.
    type: int
    default: 4
  most_failures:
    description: After this many failures no further object is begun.
    type: int
    default: 10
  server_side_dry_run:
    description:
      - In check mode, asks the API server whether it would carry out each deletion, admission and rights among it.
    type: bool
    default: false
  held:
    description:
      - What happens where something that could go is held back, such as the history of a rollout that is not complete,
        or what this user may not list, or was changed since the plan.
      - V(fail) deletes the others and fails then, V(warn) warns.
    type: str
    default: fail
    choices: [fail, warn]
attributes:
  check_mode:
    description: Shows the plan and changes nothing.
    support: full
  diff_mode:
    description: The diff is the plan as people read it.
    support: full
author:
  - the trimtab authors
"""

EXAMPLES = r"""
- name: Prune what the controllers would
  trimtab.kube.history:
    version: 1.34.2
    kubeconfig: /etc/kubernetes/admin.conf
    journal: /var/lib/trimtab/history.jsonl
  register: pruning

- name: Keep three revisions of each workload and the last good record of each release, in one namespace
  trimtab.kube.history:
    version: 1.34.2
    journal: /var/lib/trimtab/history.jsonl
    policy:
      namespaces: [shop]
      revisions: {maxKept: 3}
      helm: {maxKept: 1, lastKnownGood: kept}
      blastRadius: {mostObjects: 1000}
    held: warn
"""

RETURN = r"""
plan_text:
  description: The plan as people read it, line by line.
  returned: success
  type: list
  elements: str
steps:
  description: What goes, each with its C(target), its C(action) and the C(guards) that are checked again before it.
  returned: success
  type: list
  elements: dict
held:
  description: What stays, each with its reason.
  returned: success
  type: list
  elements: dict
notices:
  description: How much goes, which rollbacks will be gone, which ConfigMaps and Secrets nobody uses afterwards.
  returned: success
  type: list
  elements: dict
advice:
  description: Why history piles up, and which field ends it, line by line.
  returned: success
  type: list
  elements: str
report:
  description: One outcome for each step; of the dry run, where one was asked for.
  returned: success, and in check mode only with O(server_side_dry_run)
  type: dict
report_text:
  description: The report as people read it, line by line.
  returned: success, and in check mode only with O(server_side_dry_run)
  type: list
  elements: str
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "kubeconfig": {"type": "path"},
            "context": {"type": "str"},
            "policy": {"type": "dict", "default": {}},
            "journal": {"type": "path"},
            "deletes_per_second": {"type": "float", "default": 10},
            "lanes": {"type": "int", "default": 4},
            "most_failures": {"type": "int", "default": 10},
            "server_side_dry_run": {"type": "bool", "default": False},
            "held": {"type": "str", "default": "fail", "choices": ["fail", "warn"]},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("trimtab"), exception=MISSING)
    if not module.check_mode and module.params["journal"] is None:
        module.fail_json(msg="journal is missing: name the file that gets every object before its deletion")
    try:
        run(module)
    except (TrimtabError, OSError) as error:
        module.fail_json(msg=str(error), details=error.to_dict() if isinstance(error, TrimtabError) else {})


def run(module: AnsibleModule) -> None:
    given = module.params
    rules: dict[str, Any] = {"version": given["version"], "policy": given["policy"]}
    paced = {name: given[name] for name in ("lanes", "most_failures")}
    paced["deletes_per_second"] = None if given["deletes_per_second"] == 0 else given["deletes_per_second"]
    cluster = history.Cluster(given["kubeconfig"], context=given["context"], journal=given["journal"], **paced)
    seen = cluster.observe(**rules)
    plan = history.pruning_plan(seen, now=datetime.now(UTC), **rules)
    told = {
        "plan_text": str(plan).splitlines(),
        "steps": [{"target": one.target, "action": one.action, "guards": one.guards} for one in plan.steps],
        "held": [one.to_dict() for one in plan.held],
        "notices": [one.to_dict() for one in plan.notices],
        "advice": [str(one) for one in history.advice(seen, **rules)],
        "diff": {"prepared": str(plan) if plan else ""},
    }
    obstacles = [str(one) for one in plan.held if one.is_obstacle]
    if module.check_mode and not given["server_side_dry_run"]:
        leave(module, obstacles, changed=bool(plan), **told)
    report = cluster.dry_run(plan) if module.check_mode else plan.apply(cluster)
    told |= {"report": report.to_dict(), "report_text": str(report).splitlines()}
    changed = bool(plan) if module.check_mode else report.acted > 0
    failed = [str(one) for one in report.steps if one.outcome["outcome"] == "failed"]
    if failed:
        module.fail_json(msg="; ".join(failed), changed=changed, **told)
    obstacles += [str(one) for one in report.steps if one.outcome["outcome"] == "refused"]
    leave(module, obstacles, changed=changed, **told)


def leave(module: AnsibleModule, obstacles: list[str], **told: object) -> None:
    if not obstacles:
        module.exit_json(**told)
    said = "; ".join(obstacles)
    if module.params["held"] == "fail":
        module.fail_json(msg=said, **told)
    module.warn(said)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
