// What `iperf3 --json` printed, as what arrived. The receiver's count is taken and divided by our own
// clock's seconds, not by the receiver's: that one may be a guest whose clock is not the host's.

import * as z from "zod";

type Iperf3Result = {
  /** Payload bytes that arrived. */
  readonly bytes: number;
  /** Datagrams that arrived; null: TCP. */
  readonly packets: number | null;
  /** 0 to 1; null: TCP. */
  readonly lostShare: number | null;
  /** As the sender measured. */
  readonly seconds: number;
};

export type ReadResult<T> =
  | { readonly result: T; readonly problem: null }
  | { readonly result: null; readonly problem: string };

const amount = z.number().nonnegative();
const sumShape = z.object({
  bytes: amount.optional(),
  seconds: amount.optional(),
  packets: amount.optional(),
  lost_packets: z.number().optional(),
});

const shape = z.object({
  error: z.string().optional(),
  end: z
    .object({
      sum: sumShape.optional(),
      sum_sent: sumShape.optional(),
      sum_received: sumShape.optional(),
    })
    .optional(),
});

const refused = (problem: string): { result: null; problem: string } => ({ result: null, problem });

const firstLine = (text: string): string => (text.trim().split("\n")[0] ?? "").slice(0, 200);

function parseObject(printed: string): unknown {
  try {
    return JSON.parse(printed);
  } catch {
    return null;
  }
}

export function readIperf3(printed: string): ReadResult<Iperf3Result> {
  const parsed = shape.safeParse(parseObject(printed));
  if (!parsed.success) return refused(`iperf3 printed no result: ${firstLine(printed)}`);
  const { error, end } = parsed.data;
  if (error !== undefined) return refused(`iperf3: ${firstLine(error)}`);
  // UDP: `sum` is the receiver's since 3.1, and the only one before 3.10 that has lost_packets.
  const sum = end?.sum;
  const received = end?.sum_received;
  const seconds = end?.sum_sent?.seconds ?? sum?.seconds ?? received?.seconds ?? 0;
  if (seconds <= 0) return refused("iperf3 says nothing of its duration");
  if (sum?.packets !== undefined) {
    const { packets, lost_packets: lost = 0, bytes = 0 } = sum;
    // Negative with duplicates.
    const arrived = Math.max(0, packets - Math.max(0, lost));
    const each = packets === 0 ? 0 : bytes / packets;
    const lostShare = packets === 0 ? 0 : 1 - arrived / packets;
    return {
      result: { bytes: arrived * each, packets: arrived, lostShare, seconds },
      problem: null,
    };
  }
  if (received?.bytes === undefined) return refused("iperf3 says nothing of what arrived");
  return {
    result: { bytes: received.bytes, packets: null, lostShare: null, seconds },
    problem: null,
  };
}
