// `sriovctl lease ACTION`: who has which VF. What changes VFs holds the apply lock meanwhile, so that
// no apply resizes a PF under a VF that is being cleaned. What the host does not bear out any more is
// said before anything else, and mended by `reconcile` when the operator agrees.

import { readOwnJournals, assertNothingUnfinished, type Session } from "../../apply/session.ts";
import { askConsumers, findingsOf, mend, type Mended } from "../../apply/lease-mend.ts";
import { mendLeft, mendReturned } from "../../apply/plug-leases.ts";
import { quarantineVf, releaseVf, renewLease, type Released } from "../../apply/lease-release.ts";
import { acquireVfs, lookAtVfs, type HostLook, type Leasing } from "../../apply/leasing.ts";
import type { Host } from "../../host/host.ts";
import { targetOf, type Lease, type VfPlace } from "../../lease/lease.ts";
import { hasReturned, type Finding } from "../../lease/reconcile.ts";
import { openLeasesIfThere } from "../../lease/store.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import type { Spec } from "../../model/spec.ts";
import { readingOf } from "../attaching.ts";
import { assertWritable, confirm, withSession } from "../changing.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { leaseSpec, openLeasing } from "../leasing.ts";
import {
  acquiredJson,
  entriesJson,
  leasesJson,
  releasedDocument,
  type Refused,
} from "../lease-json.ts";
import { assertHeeded } from "../lease-options.ts";
import {
  acquiredText,
  entriesText,
  failedText,
  findingText,
  leasesText,
  mendedText,
  outcomeText,
  releasedText,
} from "../lease-text.ts";
import {
  isListed,
  nodeOf,
  proofOf,
  reasonOf,
  renewalOf,
  termsOf,
  usage,
  wishOf,
} from "../lease-wish.ts";
import { nothingFits } from "../nothing-fits.ts";
import { plural } from "../list-text.ts";
import { placeOf } from "../vf-place.ts";

/** As long as making a few VFs ready takes. */
const lockWaitMs = 60_000;

type Run = { readonly context: Context; readonly args: Arguments; readonly host: Host };
type Action = (run: Run, targets: readonly string[]) => Promise<number>;

/** placeOf() answers one and the same place for a VF, however it was named. */
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

const specFor = ({ context, args }: Run): Spec => leaseSpec(context, args.text("file"));

const leasingFor = ({ context, args, host }: Run, session: Session | null): Leasing =>
  openLeasing(context, { host, lockFd: session?.lockFd ?? null, file: args.text("file") });

async function withLeasing<T>(run: Run, work: (leasing: Leasing) => Promise<T>): Promise<T> {
  const leasing = leasingFor(run, null);
  try {
    return await work(leasing);
  } finally {
    leasing.store.close();
  }
}

/** With the apply lock, and after every apply has ended. */
function changing<T>(run: Run, work: (leasing: Leasing) => Promise<T>): Promise<T> {
  const { context, host } = run;
  return withSession(context, host, { lockWaitMs }, async (session) => {
    assertNothingUnfinished(await readOwnJournals(session));
    const leasing = leasingFor(run, session);
    try {
      return await work(leasing);
    } finally {
      leasing.store.close();
    }
  });
}

function warnOf(context: Context, findings: readonly Finding[]): void {
  const hint = "See and mend what can be mended: sriovctl lease reconcile";
  for (const { message } of findings) context.log.warn(message, hint);
}

const findIn = (leasing: Leasing, { candidates }: HostLook): Finding[] =>
  findingsOf(leasing.host, leasing.nowMs(), { leases: leasing.store.leases(), candidates });

const ls: Action = async ({ context, args, host }, targets) => {
  const store = openLeasesIfThere(context.hostPaths.leaseFile);
  const all = store?.leases() ?? [];
  store?.close();
  const look = await lookAtVfs({ host, spec: specFor({ context, args, host }) });
  const vfs = targets.map((target) => placeOf(target, all, look).address);
  const leases = all.filter(isListed(args, look, vfs));
  const shown = args.isSet("all") ? leases : leases.filter(({ state }) => state !== "free");
  const findings = findingsOf(host, Date.now(), { leases, candidates: look.candidates });
  context.printJson(leasesJson(shown, findings));
  context.print(...leasesText(shown, context.style));
  warnOf(context, findings);
  return 0;
};

const acquire: Action = (run, targets) =>
  changing(run, async (leasing) => {
    const { context, args } = run;
    context.print(...mendedText(await mendLeft(leasing, hasReturned), context.style));
    const look = await lookAtVfs(leasing);
    warnOf(context, findIn(leasing, look));
    const terms = termsOf(args, leasing.nowMs());
    const holder = terms.holder.name;
    const leases = leasing.store.leases();
    const vfs = unique(targets.map((target) => placeOf(target, leases, look).address));
    const wish = wishOf(args, { look, holder, vfs, node: await nodeOf(args, run.host) });
    const acquired = await acquireVfs(leasing, wish, terms);
    const error =
      acquired.kind === "granted" ? null : nothingFits("lease", wish, acquired.rejections);
    context.printJson(acquiredJson(acquired, error));
    for (const failed of acquired.failed) context.log.warn(failedText(failed));
    if (error !== null) context.log.error(error.message, error.hint);
    context.print(...acquiredText(acquired, context.style));
    return error === null ? 0 : exitCodeOf(error.code);
  });

/** Those that were named, or all of a holder. */
function placesFor(run: Run, targets: readonly string[], leases: readonly Lease[], look: HostLook) {
  if (targets.length > 0) return unique(targets.map((target) => placeOf(target, leases, look)));
  const { holder } = proofOf(run.args);
  if (holder === null) {
    const hint = "Name VFs, or a holder with --for to mean all that it has";
    throw usage("Cannot tell which VFs are meant: none was named", "", hint);
  }
  const own = leases.filter((lease) => lease.holder?.name === holder);
  if (own.length > 0) return own.map(({ vf }) => vf);
  const hint = "See who has what with sriovctl lease ls";
  const detail = { operation: "lease", target: holder, hint };
  throw new SriovError("not-found", `Cannot find leases of ${holder}: it has none`, detail);
}

const exitOfReleased = ({ hygiene }: Released): number =>
  hygiene.kind === "clean" ? 0 : hygiene.kind === "in-use" ? 3 : 1;

const exitOfMended = ({ released }: Mended): number =>
  released === null ? 0 : exitOfReleased(released);

/** What is refused of one VF does not keep the others: which were given back has to be told. */
async function orRefusal(work: Promise<Released>): Promise<Released | SriovError> {
  try {
    return await work;
  } catch (error) {
    const isRefusal = error instanceof SriovError && exitCodeOf(error.code) === 3;
    if (isRefusal) return error;
    throw error;
  }
}

const release: Action = (run, targets) =>
  changing(run, async (leasing) => {
    const { context, args, host } = run;
    const look = await lookAtVfs(leasing);
    const places = placesFor(run, targets, leasing.store.leases(), look);
    const [proof, reason] = [proofOf(args), reasonOf(args, "released")];
    const { consumers } = readingOf(context, host);
    const released: Released[] = [];
    const refused: Refused[] = [];
    for (const vf of places) {
      const one = await orRefusal(releaseVf(leasing, vf, { proof, reason, consumers }));
      if (one instanceof SriovError) {
        refused.push({ vf, error: one });
        context.log.error(one.message, one.hint);
      } else {
        released.push(one);
        context.print(releasedText(one, context.style));
      }
    }
    context.printJson(releasedDocument(released, refused));
    const refusals = refused.map(({ error }) => exitCodeOf(error.code));
    return Math.max(0, ...refusals, ...released.map(exitOfReleased));
  });

/** Changes leases and no VF: no apply has to wait for it. */
const noting =
  (step: (leasing: Leasing, place: VfPlace, args: Arguments) => Lease): Action =>
  (run, targets) =>
    withLeasing(run, async (leasing) => {
      const { context, args } = run;
      const look = await lookAtVfs(leasing);
      const places = placesFor(run, targets, leasing.store.leases(), look);
      const leases = places.map((place) => step(leasing, place, args));
      context.printJson(leasesJson(leases, findIn(leasing, look)));
      context.print(...leasesText(leases, context.style));
      return 0;
    });

const renew = noting((leasing, place, args) => {
  const terms = renewalOf(args, leasing.nowMs());
  return renewLease(leasing, place, { proof: proofOf(args), terms });
});

const quarantine = noting((leasing, place, args) => {
  if (args.text("reason") === null) {
    const message = "Cannot quarantine without a reason: no --reason was given";
    throw usage(message, targetOf(place), "Say what is wrong with it, for whoever finds it so");
  }
  const options = { proof: proofOf(args), reason: reasonOf(args, "") };
  return quarantineVf(leasing, place, options);
});

const mostEntries = 200;

const history: Action = async ({ context, args, host }, [target]) => {
  const store = openLeasesIfThere(context.hostPaths.leaseFile);
  try {
    const look = await lookAtVfs({ host, spec: specFor({ context, args, host }) });
    const vf = target === undefined ? null : placeOf(target, store?.leases() ?? [], look);
    const entries = store?.history({ vf, limit: mostEntries }) ?? [];
    context.printJson(entriesJson(entries));
    context.print(...entriesText(entries, context.style));
  } finally {
    store?.close();
  }
  return 0;
};

/** What udev starts when a VF comes back from a namespace: what is wrong otherwise waits for people. */
async function reconcileReturned({ context }: Run, leasing: Leasing): Promise<number> {
  const mended = await mendReturned(leasing);
  const left = findIn(leasing, await lookAtVfs(leasing)).filter(hasReturned);
  context.print(...mendedText(mended, context.style), ...left.map(({ message }) => message));
  context.printJson(leasesJson(leasing.store.leases(), left));
  return Math.max(left.length > 0 ? 4 : 0, ...mended.map(exitOfMended));
}

const reconcileLeases: Action = (run) =>
  changing(run, async (leasing) => {
    const { context, args, host } = run;
    if (args.isSet("unattended")) return await reconcileReturned(run, leasing);
    const look = await lookAtVfs(leasing);
    const { candidates } = look;
    const { consumers } = readingOf(context, host);
    const held = { leases: leasing.store.leases(), candidates };
    const findings = await askConsumers(findIn(leasing, look), held, consumers);
    const mendable = findings.filter(({ remedy }) => remedy !== null && remedy !== "detach");
    context.print(...findings.map(findingText));
    if (findings.length === 0) context.print("Every lease is as the host says.");
    const question = `Mend ${plural(mendable.length, "lease")}?`;
    const isAgreed =
      mendable.length > 0 && (args.isSet("yes") || (await confirm(context, question)));
    const mended: Mended[] = [];
    for (const finding of isAgreed ? mendable : []) {
      const one = await mend(leasing, finding, candidates);
      mended.push(one);
      context.print(outcomeText(one, context.style));
    }
    const left = isAgreed ? findIn(leasing, await lookAtVfs(leasing)) : findings;
    context.printJson(leasesJson(leasing.store.leases(), left));
    return Math.max(left.length > 0 ? 4 : 0, ...mended.map(exitOfMended));
  });

const actions: Readonly<Record<string, Action>> = {
  ls,
  acquire,
  renew,
  release,
  quarantine,
  history,
  reconcile: reconcileLeases,
};

export const lease: RunCommand = async (context, args) => {
  const [name = "", ...targets] = args.operands;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) {
    throw usage(`Cannot ${name} leases: wanted ${Object.keys(actions).join(", ")}`, name);
  }
  assertHeeded(name, targets, args);
  return await withHost(context, async (host) => {
    assertWritable(context, host, `${name} leases`);
    return await action({ context, args, host }, targets);
  });
};
