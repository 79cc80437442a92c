// The public JSON of `traffic`, written by hand.

import type { PolicyReport, TrafficReport } from "../host/emulated/datapath/traffic-report.ts";

const trafficFormat = "sriovctl-traffic/1";
const checksFormat = "sriovctl-traffic-checks/1";

const leftOutJson = ({ leftOut }: Pick<TrafficReport, "leftOut">) =>
  leftOut.map(({ vfIndex, why }) => ({ vf: vfIndex, why }));

export const trafficJson = (report: TrafficReport) => {
  const { pf, wish, pairs, testGuests, paths } = report;
  return {
    format: trafficFormat,
    physicalFunction: pf,
    senders: pairs,
    pair: wish.pair === null ? null : { from: wish.pair.from, to: wish.pair.to },
    framesOfEach: wish.frames,
    sizeBytes: wish.sizeBytes,
    burst: wish.burst,
    vlan: wish.vlan,
    testGuests,
    leftOut: leftOutJson(report),
    paths: paths.map((path) => ({
      path: path.path,
      frames: path.frames,
      ends: Object.fromEntries(path.ends.map(({ end, frames }) => [end, frames])),
      unsent: path.unsent,
      exits: path.exits,
      hostCopies: path.copies,
      bridgeLookups: path.bridgeLookups,
      switchLookups: path.switchLookups,
      iommuTranslations: path.translations,
      iommuFaults: path.faults,
      interrupts: path.interrupts,
    })),
  };
};

export const checksJson = (report: PolicyReport) => ({
  format: checksFormat,
  physicalFunction: report.pf,
  testGuests: report.testGuests,
  leftOut: leftOutJson(report),
  checks: report.checks.map(({ vfIndex, guest, check, outcome, found }) => ({
    vf: vfIndex,
    guest,
    check,
    outcome,
    found,
  })),
});
