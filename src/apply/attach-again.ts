// The way back of a detach that has ended. Its VF was cleaned for anybody and may be somebody's by now, so it is
// leased to its consumer as for an attach, and the inverse is planned anew: policy, driver, and then the plug.

import { formatAssignTarget } from "../model/assign-target.ts";
import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Plug } from "../model/plug.ts";
import type { Wish } from "../lease/select.ts";
import { planAttach } from "../plan/attach.ts";
import { heldPolicy } from "../plan/held-policy.ts";
import type { JournalHeader } from "./journal.ts";
import { acquireVfs, lookAtVfs, type Acquired, type Leasing } from "./leasing.ts";
import { cleanGivenBack, leaseOfPlug, mendAbandoned, settleLeases } from "./plug-leases.ts";
import { assertSound, findVf, neighboursOf } from "./plug-run.ts";
import type { Session } from "./session.ts";

const because = "it had it before";

/** What only detached: an apply that attaches too knows what the VF was before, and `without-vfs` keeps it. */
const isDetach = ({ actions, comesBack }: Pick<JournalHeader, "actions" | "comesBack">): boolean =>
  comesBack !== true && actions.every(({ change }) => change.kind === "detach-vf");

const wishFor = ({ consumer, vf }: Plug): Wish => ({
  holder: formatAssignTarget(consumer),
  count: 1,
  pool: null,
  pfs: [],
  vfs: [vf],
  numa: null,
  isAloneInGroup: false,
  placement: "pack",
  apart: null,
});

function notGranted({ vf, consumer }: Plug, acquired: Acquired): SriovError {
  const target = formatAssignTarget(consumer);
  const rejections = acquired.kind === "granted" ? [] : acquired.rejections;
  const why = rejections.find(({ candidate }) => candidate.vf.address === vf)?.because;
  const seen = acquired.failed.flatMap(({ evidence }) => evidence);
  const message = `Cannot attach ${vf} to ${target} again: ${why ?? seen[0] ?? "it is gone"}`;
  const hint = `Give it another VF: sriovctl attach VF --to ${target}`;
  return new SriovError("lease-refused", message, { operation: "attach VF", target, hint });
}

async function lease(leasing: Leasing, plug: Plug): Promise<void> {
  const holder = { name: formatAssignTarget(plug.consumer), pid: leasing.worker };
  const terms = { holder, expiresAtMs: null, reason: "attach again" };
  const acquired = await acquireVfs(leasing, wishFor(plug), terms);
  if (acquired.kind !== "granted") throw notGranted(plug, acquired);
}

/** With what brings the VF back as its inverse. */
async function planned(session: Session, leasing: Leasing, action: Action, plug: Plug) {
  const found = await findVf(session, plug);
  const look = await lookAtVfs(leasing);
  const { driver, policy: baseline } = look.baselineOf(found.vf.address);
  const [policy, neighbours] = [heldPolicy(baseline, plug), neighboursOf(leasing, look)];
  const input = { ...found, plug, driver, policy, because, neighbours };
  const plan = planAttach(input);
  assertSound(plan, "attach VF");
  return { ...action, inverse: plan.actions.map(({ change }) => change) };
}

/**
 * The journal's actions as they are to be undone now; the VFs of a detach are leased to their consumers
 * again. Throws `lease-refused` where one is somebody else's, and nothing is changed then.
 */
export async function asUndoneNow(
  session: Session,
  header: JournalHeader,
): Promise<readonly Action[]> {
  const { actions } = header;
  if (session.leasing === undefined || !isDetach(header)) return actions;
  const leasing = await session.leasing();
  await mendAbandoned(leasing);
  const undone: Action[] = [];
  try {
    for (const action of actions) {
      const { change } = action;
      const plug = change.kind === "detach-vf" ? change.plug : null;
      const has = plug === null ? null : leaseOfPlug(leasing, plug);
      if (plug === null || has?.state === "attached") {
        undone.push(action);
        continue;
      }
      if (has === null) await lease(leasing, plug);
      undone.push(await planned(session, leasing, action, plug));
    }
  } catch (error) {
    await cleanGivenBack(session, await settleLeases(session, actions));
    throw error;
  }
  return undone;
}
