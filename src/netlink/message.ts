// Netlink messages: the 16-byte header and what a datagram is split into. The length is 32 bits
// wide here, unlike an attribute's.
//
//   0        4      6       8          12       16
//   +--------+------+-------+----------+--------+---------
//   | length | type | flags | sequence | portId | payload     length counts the header
//   +--------+------+-------+----------+--------+---------

import type { Problem } from "../model/problem.ts";
import { align4, decodeText, isLittleEndian, viewOf, walkAttributes } from "./attribute.ts";
import { netlinkNumber } from "./kernel-numbers.ts";

const messageHeaderLength = 16;

export type Message = {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
  readonly payload: Uint8Array;
};

export function encodeMessage(message: Message): Uint8Array {
  const length = messageHeaderLength + message.payload.length;
  const bytes = new Uint8Array(align4(length));
  const view = viewOf(bytes);
  view.setUint32(0, length, isLittleEndian);
  view.setUint16(4, message.type, isLittleEndian);
  view.setUint16(6, message.flags, isLittleEndian);
  view.setUint32(8, message.sequence, isLittleEndian);
  view.setUint32(12, message.portId, isLittleEndian);
  bytes.set(message.payload, messageHeaderLength);
  return bytes;
}

type MessageReading = {
  readonly messages: readonly Message[];
  readonly problems: readonly Problem[];
};

/** Messages of one or more datagrams. Payloads are views into `bytes`. */
export function decodeMessages(bytes: Uint8Array): MessageReading {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  let offset = 0;
  while (offset + messageHeaderLength <= bytes.length) {
    const length = view.getUint32(offset, isLittleEndian);
    if (length < messageHeaderLength || offset + length > bytes.length) break;
    messages.push({
      type: view.getUint16(offset + 4, isLittleEndian),
      flags: view.getUint16(offset + 6, isLittleEndian),
      sequence: view.getUint32(offset + 8, isLittleEndian),
      portId: view.getUint32(offset + 12, isLittleEndian),
      payload: bytes.subarray(offset + messageHeaderLength, offset + length),
    });
    offset += align4(length);
  }
  if (offset >= bytes.length) return { messages, problems: [] };
  const message = `Cannot read a netlink message at byte ${offset}: ${bytes.length - offset} bytes are left, wanted a whole message`;
  return { messages, problems: [{ code: "netlink-truncated", where: "netlink", message }] };
}

export type Acknowledgement = {
  /** Positive errno number; 0 is success. */
  readonly errno: number;
  /** The kernel's own sentence (extended acknowledgement), where it gave one. */
  readonly text: string | null;
  /** Byte of the request that the kernel points at. */
  readonly offset: number | null;
};

/**
 * What NLMSG_ERROR or NLMSG_DONE says; null for any other message and for one that is too short.
 * net/netlink/af_netlink.c netlink_ack(): after the errno comes the header of the request, its
 * payload unless NLM_F_CAPPED, then attributes if NLM_F_ACK_TLVS.
 */
export function decodeAcknowledgement(message: Message): Acknowledgement | null {
  const { type, flags, payload } = message;
  const isDone = type === netlinkNumber.NLMSG_DONE;
  if (type !== netlinkNumber.NLMSG_ERROR && !isDone) return null;
  // An old kernel may end a dump without a status.
  if (payload.length < 4) return isDone ? { errno: 0, text: null, offset: null } : null;
  const view = viewOf(payload);
  const errno = -view.getInt32(0, isLittleEndian);
  let text: string | null = null;
  let offset: number | null = null;
  if ((flags & netlinkNumber.NLM_F_ACK_TLVS) !== 0) {
    const start = 4 + (isDone ? 0 : echoLength(view, flags));
    walkAttributes(view, start, payload.length, (attribute, from, to) => {
      if (attribute === netlinkNumber.NLMSGERR_ATTR_MSG) {
        text = decodeText(payload.subarray(from, to));
      } else if (attribute === netlinkNumber.NLMSGERR_ATTR_OFFS && to - from >= 4) {
        offset = view.getUint32(from, isLittleEndian);
      }
    });
  }
  return { errno: errno === 0 ? 0 : errno, text, offset };
}

/** Length of the request that an error message repeats. */
function echoLength(view: DataView, flags: number): number {
  if ((flags & netlinkNumber.NLM_F_CAPPED) !== 0 || view.byteLength < 8) return messageHeaderLength;
  return align4(view.getUint32(4, isLittleEndian));
}
