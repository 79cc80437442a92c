// What iperf3 3.12, sockperf 3.7 and ping of iputils printed on loopback, the parts that are read (ping's
// times rounded, and one of its lines taken out); and that nothing they could print instead throws.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { readMachineCpu, readProcessCpu } from "./cpu-time.ts";
import { readIperf3 } from "./read-iperf3.ts";
import { readPing, readSockperf } from "./read-latency.ts";

const tcp = {
  end: {
    streams: [],
    sum_sent: { start: 0, end: 1.000067, seconds: 1.000067, bytes: 1985740800, retransmits: 0 },
    sum_received: { start: 0, end: 1.000236, seconds: 1.000236, bytes: 1980235776 },
  },
};
const udpSum = { seconds: 1.000157, bytes: 3093300, lost_packets: 82584, packets: 171850 };
const udp = {
  end: {
    sum: udpSum,
    sum_sent: { seconds: 1.000036, bytes: 3093300, lost_packets: 0, packets: 171850 },
    sum_received: { seconds: 1.000157, bytes: 1606788, lost_packets: 82584, packets: 171850 },
  },
};

suite("iperf3", () => {
  test("TCP: what the receiver got, in the sender's seconds", () => {
    const { result } = readIperf3(JSON.stringify(tcp));
    const wanted = { bytes: 1980235776, packets: null, lostShare: null, seconds: 1.000067 };
    assert.deepEqual(result, wanted);
  });

  test("UDP: what was not lost", () => {
    const { result } = readIperf3(JSON.stringify(udp));
    assert.equal(result?.packets, 171850 - 82584);
    assert.equal(result?.bytes, 1606788);
    assert.ok(Math.abs((result?.lostShare ?? 0) - 0.48056) < 1e-5);
  });

  const refusals: readonly (readonly [printed: string, says: RegExp])[] = [
    ["", /no result/],
    ["iperf3: parameter error", /iperf3: parameter error/],
    ['{"start":{},"end":{},"error":"unable to connect to server: Connection refused"}', /refused/],
    ['{"end":{}}', /nothing of its duration/],
    ['{"end":{"sum_sent":{"seconds":1}}}', /nothing of what arrived/],
    ['{"end":{"sum":{"seconds":-1,"packets":1}}}', /no result/],
  ];
  for (const [printed, says] of refusals) {
    test(`no figure: ${says.source}`, () => {
      const { result, problem } = readIperf3(printed);
      assert.equal(result, null);
      assert.match(problem ?? "", says);
    });
  }
});

const sockperf = `sockperf: \u001b[2;35m== version #3.7-no.git == \u001b[0m
sockperf: Test ended
sockperf: [Total Run] RunTime=1.000 sec; SentMessages=80987; ReceivedMessages=80986
sockperf: [Valid Duration] RunTime=0.550 sec; SentMessages=46825; ReceivedMessages=46825
sockperf: \u001b[2;35m====> avg-latency=5.866 (std-dev=8.362)\u001b[0m
sockperf: \u001b[2;35mTotal 46825 observations\u001b[0m
sockperf: ---> <MAX> observation =  935.910
sockperf: ---> percentile 99.999 =  935.910
sockperf: ---> percentile 99.900 =   29.874
sockperf: ---> percentile 50.000 =    5.548
sockperf: ---> percentile 25.000 =    5.493
sockperf: ---> <MIN> observation =    5.307
`;

const ping = `PING 127.0.0.1 (127.0.0.1) 18(46) bytes of data.
26 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.020 ms
26 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.040 ms
26 bytes from 127.0.0.1: icmp_seq=4 ttl=64 time=0.060 ms

--- 127.0.0.1 ping statistics ---
4 packets transmitted, 3 received, 25% packet loss, time 15ms
`;

suite("latency", () => {
  test("sockperf's percentiles, one way", () => {
    const { result } = readSockperf(sockperf);
    assert.deepEqual(result?.percentiles, [
      [0, 5.307],
      [25, 5.493],
      [50, 5.548],
      [99.9, 29.874],
      [99.999, 935.91],
      [100, 935.91],
    ]);
    assert.ok((result?.lostShare ?? 1) < 1e-4);
  });

  test("a server that does not answer is no figure", () => {
    const printed = "sockperf: Test ended\nsockperf: No messages were received from the server.";
    assert.match(readSockperf(printed).problem ?? "", /No messages were received/);
    assert.match(readPing("ping: connect: Network is unreachable").problem ?? "", /unreachable/);
  });

  test("ping's echoes, halved", () => {
    const { result } = readPing(ping);
    assert.deepEqual(
      result?.percentiles.map(([percentile, us]) => [percentile, Math.round(us)]),
      [
        [0, 10],
        [25, 15],
        [50, 20],
        [75, 25],
        [90, 28],
        [99, 30],
        [100, 30],
      ],
    );
    assert.equal(result?.lostShare, 0.25);
  });
});

suite("CPU time", () => {
  test("of a machine: busy is neither idle nor iowait nor steal", () => {
    const stat = "cpu  100 1 200 9999 88 10 20 77 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
    assert.equal(readMachineCpu(stat), 3.31);
    assert.equal(readMachineCpu("intr 1"), null);
  });

  test("of a process whose name is odd", () => {
    const stat = "12 (a) b) R 1 2 3 0 -1 4194304 90 0 0 0 150 50 10 5 20 0 1 0 5 0";
    assert.equal(readProcessCpu(stat), 2.15);
    assert.equal(readProcessCpu("12"), null);
  });
});

test("property: no output throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (printed) => {
      for (const read of [readIperf3, readSockperf, readPing]) {
        const { result, problem } = read(printed);
        assert.ok(result !== null || problem !== "");
      }
      readMachineCpu(printed);
      readProcessCpu(printed);
    }),
    { numRuns: 200 },
  );
});
