#!/usr/bin/env python3
"""Plans the rescue of an etcd that is out of space and carries it out; for Ansible's `script` module.

Prints one JSON object: `plan` (its lines, for people), `changed`, and `report` or `error` where there is one.

Exit codes: 0 done (with --plan-only: there is something to do), 1 failed, 2 refused or held back, 3 nothing to do.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from trimtab import TrimtabError, etcd

DONE, FAILED, HELD_BACK, NOTHING_TO_DO = range(4)


def main() -> int:
    given = arguments()
    try:
        cluster = etcd.Etcd(
            given.endpoint,
            ca=given.ca,
            cert=given.cert,
            key=given.key,
            user=given.user,
            # From the environment: every user of the machine can read a command line.
            password=os.environ.get("ETCD_PASSWORD") if given.user else None,
        )
        plan = etcd.rescue_plan(cluster.observe(), compact_to=given.compact_to, max_percent=given.max_percent)
        if given.plan_only or plan.is_empty:
            return tell(foreseen(plan), changed=not plan.is_empty, plan=str(plan).splitlines())
        report = plan.apply(cluster)
        lines = {"plan": str(plan).splitlines(), "report": str(report).splitlines()}
        return tell(reached(report), changed=report.acted > 0, **lines)
    except (TrimtabError, OSError) as error:
        return tell(FAILED, changed=False, error=str(error))


def foreseen(plan: etcd.Plan) -> int:
    if plan.is_blocked:
        return HELD_BACK
    return NOTHING_TO_DO if plan.is_empty else DONE


def reached(report: etcd.Report) -> int:
    if report.is_done:
        return DONE if report.acted else NOTHING_TO_DO
    stopped = report.stopped_at
    return FAILED if stopped and stopped.outcome["outcome"] == "failed" else HELD_BACK


def tell(code: int, **said: object) -> int:
    print(json.dumps(said))
    return code


class Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would end with 2, which means held back here, and print to standard error.
        sys.exit(tell(FAILED, changed=False, error=f"{message}; see --help"))


def arguments() -> argparse.Namespace:
    parser = Arguments(description="Rescues an etcd that is out of space.")
    parser.add_argument("--endpoint", action="append", required=True, help="client URL of a member; may be repeated")
    parser.add_argument("--ca", type=Path, help="PEM file of the CA that signed the members' certificates")
    parser.add_argument("--cert", type=Path, help="PEM file of our certificate")
    parser.add_argument("--key", type=Path, help="PEM file of its key")
    parser.add_argument("--user", help="etcd user with the role root; its password comes from ETCD_PASSWORD")
    parser.add_argument("--compact-to", type=revision, default="kubernetes", help="kubernetes, head or a revision")
    parser.add_argument("--max-percent", type=int, default=80, help="the share of its quota that a file may keep")
    parser.add_argument("--plan-only", action="store_true", help="change nothing")
    return parser.parse_args()


def revision(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


if __name__ == "__main__":
    sys.exit(main())
