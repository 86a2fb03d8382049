#!/usr/bin/python
"""Renews what is due of a control-plane node's certificates: `trimtab.certs` as a module of Ansible."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from trimtab import TrimtabError, certs
except ImportError:
    MISSING = traceback.format_exc()
else:
    MISSING = ""

DOCUMENTATION = r"""
module: certificates
short_description: Renews what is due of a control-plane node's certificates
version_added: 0.1.0
description:
  - Plans the renewal of the certificates and kubeconfigs that kubeadm has made on this node, and carries it out.
  - Only what is due is renewed, with its own authority's key. Subject, names and extensions stay byte for byte, and the
    old pair stays beside the new one. Killed at any moment, the node has a matching pair, or the next run makes one.
  - Nothing is restarted. The plan's notices say which process has to be, and what proves that the new one is in use.
  - Run it on one control-plane node after the other (C(serial=1)).
  - No private key is in anything that it returns.
requirements:
  - trimtab in the Python that runs on the node
options:
  version:
    description: The release of Kubernetes and of kubeadm on the node, such as V(1.31.4).
    type: str
    required: true
  folder:
    description: The folder that is, or stands for, /etc/kubernetes.
    type: path
    default: /etc/kubernetes
  certificates_dir:
    description: kubeadm's C(certificatesDir), where that is not C(pki) in O(folder).
    type: path
  kubelet_dir:
    description: Where the kubelet keeps its own certificates, where that is not /var/lib/kubelet/pki.
    type: path
  due_within_hours:
    description: What has this much time left, or less, is due.
    type: int
    default: 720
  items:
    description: Which ones, by kubeadm's names, such as V(apiserver) and V(admin.conf). All of them by default.
    type: list
    elements: str
  validity_hours:
    description: How long the new ones are valid; never longer than their authority.
    type: int
    default: 8760
  key:
    description: V(new) for a new key of the old one's algorithm, V(kept), or the name of another algorithm.
    type: str
    default: new
    choices: [new, kept, RSA-2048, RSA-3072, RSA-4096, ECDSA-P256, ECDSA-P384, ECDSA-P521]
  held:
    description:
      - What happens where something that is due, or should be there, is held back.
      - V(fail) renews the others and fails then, V(warn) warns.
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
- name: Renew what ends within thirty days
  trimtab.kube.certificates:
    version: 1.31.4
  register: renewal

- name: Show what has to be restarted
  ansible.builtin.debug:
    msg: "{{ renewal.plan.notices | selectattr('notice', 'equalto', 'restart') | map(attribute='manifest') }}"

- name: Renew the API server's, whenever it ends, with an ECDSA key
  trimtab.kube.certificates:
    version: 1.31.4
    items: [apiserver]
    due_within_hours: 87600
    key: ECDSA-P256
"""

RETURN = r"""
plan:
  description: >-
    The plan as data. C(notices) are restarts, what to hand out, what kubeadm's own command would lose. Then
    come C(steps), and what is C(held) back, each with its reason.
  returned: success
  type: dict
plan_text:
  description: The plan as people read it, line by line.
  returned: success
  type: list
  elements: str
report:
  description: One outcome for each step.
  returned: success, and not in check mode
  type: dict
report_text:
  description: The report as people read it, line by line.
  returned: success, and not in check mode
  type: list
  elements: str
recovered:
  description: Replacements that an earlier run has left half done, and what became of them.
  returned: success, and not in check mode
  type: list
  elements: dict
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "folder": {"type": "path", "default": "/etc/kubernetes"},
            "certificates_dir": {"type": "path"},
            "kubelet_dir": {"type": "path"},
            "due_within_hours": {"type": "int", "default": 720},
            "items": {"type": "list", "elements": "str"},
            "validity_hours": {"type": "int", "default": 8760},
            # The name of an algorithm, and no key.
            "key": {
                "type": "str",
                "default": "new",
                "no_log": False,
                "choices": [
                    "new",
                    "kept",
                    *("RSA-2048", "RSA-3072", "RSA-4096"),
                    *("ECDSA-P256", "ECDSA-P384", "ECDSA-P521"),
                ],
            },
            "held": {"type": "str", "default": "fail", "choices": ["fail", "warn"]},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("trimtab"), exception=MISSING)
    try:
        run(module)
    except (TrimtabError, OSError) as error:
        module.fail_json(msg=str(error), details=error.to_dict() if isinstance(error, TrimtabError) else {})


def run(module: AnsibleModule) -> None:
    given = module.params
    node = certs.Node(given["folder"], certificates_dir=given["certificates_dir"], kubelet_dir=given["kubelet_dir"])
    # Arguments that cannot be followed are told before anything is touched.
    seen = node.observe()
    plan = planned(given, seen)
    recovered: list[certs.Recovered] = []
    if seen.unfinished and not module.check_mode:
        recovered = node.recover()
        plan = planned(given, node.observe())
    told = {
        "plan": plan.to_dict(),
        "plan_text": str(plan).splitlines(),
        "diff": {"prepared": str(plan) if plan else ""},
    }
    obstacles = [one for one in plan.held if one.is_obstacle]
    if module.check_mode:
        # A run begins with what an earlier one has left half done, so that it stands in nobody's way.
        obstacles = [one for one in obstacles if one.reason["reason"] != "interrupted"]
        leave(module, obstacles, changed=bool(plan) or bool(seen.unfinished), **told)
    report = plan.apply(node)
    told |= {"report": report.to_dict(), "report_text": str(report).splitlines()}
    told["recovered"] = [one.to_dict() for one in recovered]
    changed = report.acted > 0 or bool(recovered)
    if report.stopped_at:
        module.fail_json(msg=str(report.stopped_at), changed=changed, **told)
    leave(module, obstacles, changed=changed, **told)


def planned(given: dict[str, Any], seen: certs.NodeSeen) -> certs.RenewalPlan:
    return certs.renewal_plan(
        seen,
        version=given["version"],
        now=datetime.now(UTC),
        due_within_hours=given["due_within_hours"],
        items=given["items"],
        validity_hours=given["validity_hours"],
        key=given["key"],
    )


def leave(module: AnsibleModule, obstacles: list[certs.RenewalHeld], **told: object) -> None:
    if not obstacles:
        module.exit_json(**told)
    said = "; ".join(str(one) for one in obstacles)
    if module.params["held"] == "fail":
        module.fail_json(msg=said, **told)
    module.warn(said)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
