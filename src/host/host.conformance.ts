// What every host that can be changed must answer, asked through the Host interface alone: one file
// a subject in conformance/. The same cases run on the emulated host and, in the lab, on a real
// kernel; where the two may differ, the difference is listed with its reason.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { HostRequest } from "./host.ts";
import type { ConformanceSubject } from "./conformance/asking.ts";
import {
  expectDone,
  numVfs,
  autoprobe,
  override,
  probe,
  unbind,
  loadModule,
  adminState,
  pfOf,
} from "./conformance/asking.ts";
import { attributeCases } from "./conformance/attributes.conformance.ts";
import { bindingCases } from "./conformance/binding.conformance.ts";
import { countCases } from "./conformance/counts.conformance.ts";
import { identityCases } from "./conformance/identity.conformance.ts";
import { userCases } from "./conformance/users.conformance.ts";

type ConformanceOptions = {
  /** Reason to skip the suite, or false. */
  readonly skip?: string | false;
  /** Cases, by name, that this host answers differently, and why that is right. */
  readonly differences: readonly { readonly reason: string; readonly cases: readonly string[] }[];
};

/** Brings PFs back to their drivers, without VFs and down, whatever a failed case left. */
async function restore({ host, igb, otherIgb, igbWithoutAcs, nvme }: ConformanceSubject) {
  for (const address of [igb, otherIgb, igbWithoutAcs, nvme]) {
    const pf = await pfOf(host, address);
    const requests: HostRequest[] = [];
    if (pf.driverOverride !== null) {
      if (pf.driver !== null) requests.push(unbind(address));
      requests.push(override(address, null));
    }
    if (pf.driver === null || pf.driverOverride !== null) requests.push(probe(address));
    if (pf.numVfs > 0) requests.push(numVfs(address, 0));
    if (pf.driversAutoprobe !== true) requests.push(autoprobe(address, true));
    if (pf.netdevs[0]?.isUp === true) requests.push(adminState(address, false));
    await expectDone(host, ...requests);
  }
}

const cases = {
  ...countCases,
  ...identityCases,
  ...bindingCases,
  ...attributeCases,
  ...userCases,
};

/** Registers one test a case, each on PFs as after boot. */
export function hostConformance(
  name: string,
  open: () => Promise<ConformanceSubject>,
  { skip = false, differences }: ConformanceOptions,
): void {
  const reasons = new Map(
    differences.flatMap(({ reason, cases }) => cases.map((c) => [c, reason])),
  );
  for (const listed of reasons.keys()) {
    assert(listed in cases, `difference "${listed}" names no case of the conformance suite`);
  }
  suite(`host conformance: ${name}`, { skip }, () => {
    let subject: ConformanceSubject;
    before(async () => {
      subject = await open();
      const drivers = ["igb", "igbvf", "nvme"].map(loadModule);
      await expectDone(subject.host, ...drivers);
    });
    after(() => subject?.close());
    for (const [caseName, run] of Object.entries(cases)) {
      const reason = reasons.get(caseName);
      test(caseName, { skip: reason ?? false }, async () => {
        await restore(subject);
        await run(subject);
      });
    }
  });
}
