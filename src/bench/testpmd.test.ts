// What testpmd is told and how its answers are read: as DPDK 22.11 prints them on a kernel with an igb.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerTo, portMacOf, readPortCounts, testpmdArguments, testpmdBytes } from "./testpmd.ts";

const end = { polled: "0000:01:10.0", mtu: 1500 };

test("it gets its function, two threads, and buffers for whole frames", () => {
  assert.equal(
    testpmdArguments(end, "0-3,8", null).join(" "),
    "dpdk-testpmd --lcores (0,1)@(0-3,8) --in-memory -a 0000:01:10.0 --iova-mode va -- " +
      "--interactive --total-num-mbufs=8192 --mbuf-size=2176",
  );
  const jumbo = testpmdArguments({ ...end, mtu: 8982 }, "0-3", 2).join(" ");
  assert.match(jumbo, /--lcores 0@\(0-3\),1@2 .*--mbuf-size=9344 --max-pkt-len=9000$/);
  assert.ok(testpmdBytes(8982) > 8192 * 9344);
});

const stats = `show port stats 0

  ######################## NIC statistics for port 0  ########################
  RX-packets: 6218       RX-missed: 3          RX-bytes:  9401616
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 145        TX-errors: 0          TX-bytes:  8700

  Throughput (since last show)
  Rx-pps:            0          Rx-bps:            0
  Tx-pps:            0          Tx-bps:            0
  ############################################################################
testpmd> `;

test("its counts and its MAC are read", () => {
  assert.match(stats, answerTo("show port stats 0"));
  assert.doesNotMatch(stats.slice(0, 200), answerTo("show port stats 0"));
  assert.deepEqual(readPortCounts(stats), { received: 6218, sent: 145 });
  assert.equal(readPortCounts("Invalid port 0\ntestpmd> "), null);
  const info = "show port info 0\n\n* Infos for port 0  *\nMAC address: 92:97:45:37:01:1A\n";
  assert.equal(portMacOf(info), "92:97:45:37:01:1a");
});

test("property: no answer throws", () => {
  fc.assert(
    fc.property(fc.string(), (printed) => {
      readPortCounts(printed);
      portMacOf(printed);
    }),
    { numRuns: 100 },
  );
});
