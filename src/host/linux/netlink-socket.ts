// Netlink sockets, over the C library's calls (libc.ts). A machine where those cannot be made gets
// null and uses ip(8) instead.
//
// Exchanges are synchronous: the kernel works while we send, so the answer is there when we ask.

import { setTimeout as delay } from "node:timers/promises";
import { SriovError } from "../../model/errors.ts";
import { decodeAcknowledgement, decodeMessages, type Message } from "../../netlink/message.ts";
import { netlinkNumber } from "../../netlink/kernel-numbers.ts";
import { encodeRequest, type Request } from "../../netlink/link-request.ts";
import { decodeUevent, type Uevent } from "../../netlink/uevent.ts";
import { errnoName } from "./errno.ts";
import { openLibc, type Libc } from "./libc.ts";

/** asm-generic/socket.h and linux/socket.h; x86-64, arm64, riscv, s390 and ppc64le agree. */
const socketNumber = {
  AF_NETLINK: 16,
  SOCK_RAW: 3,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_RCVTIMEO: 20,
  SO_RCVBUF: 8,
  SO_RCVBUFFORCE: 33,
  SOL_NETLINK: 270,
  MSG_PEEK: 0x02,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
} as const;

// One message can be as long as the list of a PF's VFs: 196 bytes each, 296 with statistics.
const receiveBufferSize = 1 << 20;
const receiveTimeoutS = 10;
const dumpAttempts = 4;

const int32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** struct sockaddr_nl; port 0 is the kernel, or lets the kernel choose ours. */
function socketAddress(groups: number): Uint8Array {
  const words = new Uint16Array(6);
  words[0] = socketNumber.AF_NETLINK;
  const bytes = new Uint8Array(words.buffer);
  bytes.set(int32(groups), 8);
  return bytes;
}

function socketError(operation: string, errno: number): SriovError {
  const name = errnoName(errno);
  const message = `Cannot ${operation} a netlink socket: the kernel answered ${name}`;
  return new SriovError("kernel-refused", message, {
    operation: `${operation} a netlink socket`,
    target: "netlink",
    errno: name,
  });
}

type OpenSocket = { readonly libc: Libc; readonly fd: number };

function openSocket(protocol: number, groups: number): OpenSocket | null {
  const loaded = openLibc();
  if (loaded === null) return null;
  const { AF_NETLINK, SOCK_RAW, SOCK_CLOEXEC, SOL_SOCKET } = socketNumber;
  const fd = loaded.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw socketError("open", loaded.errno());
  const size = int32(receiveBufferSize);
  // RCVBUFFORCE goes above net.core.rmem_max and wants CAP_NET_ADMIN; without it take what we get.
  if (loaded.setsockopt(fd, SOL_SOCKET, socketNumber.SO_RCVBUFFORCE, size, 4) !== 0) {
    loaded.setsockopt(fd, SOL_SOCKET, socketNumber.SO_RCVBUF, size, 4);
  }
  const address = socketAddress(groups);
  if (loaded.bind(fd, address, address.length) !== 0) {
    const errno = loaded.errno();
    loaded.close(fd);
    throw socketError("bind", errno);
  }
  return { libc: loaded, fd };
}

export type Answer = {
  /** Without acknowledgements and the end of a dump. */
  readonly messages: readonly Message[];
  /** null is success, else the kernel's errno as a name. */
  readonly errno: string | null;
  /** The kernel's own sentence about it. */
  readonly text: string | null;
  /** Something changed during each of several dumps: some of it may be missing or doubled. */
  readonly isInterrupted: boolean;
};

/** A socket for requests. Not for notifications: it has no groups. */
export class NetlinkSocket {
  readonly #libc: Libc;
  readonly #fd: number;
  #sequence = 0;
  #buffer = new Uint8Array(receiveBufferSize);

  private constructor({ libc, fd }: OpenSocket) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** null where C cannot be called. Throws SriovError when the kernel refuses. */
  static open(family: "route" | "generic"): NetlinkSocket | null {
    const { NETLINK_ROUTE, NETLINK_GENERIC } = netlinkNumber;
    const opened = openSocket(family === "route" ? NETLINK_ROUTE : NETLINK_GENERIC, 0);
    if (opened === null) return null;
    const { libc, fd } = opened;
    // A connected socket takes messages from the kernel only (af_netlink.c netlink_unicast()).
    const kernel = socketAddress(0);
    libc.connect(fd, kernel, kernel.length);
    const { SOL_NETLINK, SOL_SOCKET, SO_RCVTIMEO } = socketNumber;
    // Absent in kernels before 4.12: then errors come without words.
    libc.setsockopt(fd, SOL_NETLINK, netlinkNumber.NETLINK_EXT_ACK, int32(1), 4);
    libc.setsockopt(fd, SOL_NETLINK, netlinkNumber.NETLINK_CAP_ACK, int32(1), 4);
    const timeout = new Uint8Array(BigInt64Array.of(BigInt(receiveTimeoutS), 0n).buffer);
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
    return new NetlinkSocket(opened);
  }

  /**
   * Sends one request and returns all that answers it. A dump that the kernel calls interrupted
   * is asked for again. Throws SriovError when the socket itself fails.
   */
  exchange(request: Request): Answer {
    let answer = this.#exchangeOnce(request);
    for (let attempt = 1; answer.isInterrupted && attempt < dumpAttempts; attempt++) {
      answer = this.#exchangeOnce(request);
    }
    return answer;
  }

  #exchangeOnce(request: Request): Answer {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const bytes = encodeRequest(request, this.#sequence);
    if (this.#libc.send(this.#fd, bytes, bytes.length, 0) < 0) {
      throw socketError("write to", this.#libc.errno());
    }
    const messages: Message[] = [];
    let isInterrupted = false;
    const wantsAcknowledgement = (request.flags & netlinkNumber.NLM_F_ACK) !== 0;
    for (;;) {
      for (const message of decodeMessages(this.#receive()).messages) {
        if (message.sequence !== this.#sequence) continue; // left over from an exchange that failed
        if ((message.flags & netlinkNumber.NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
        const acknowledgement = decodeAcknowledgement(message);
        if (acknowledgement !== null) {
          const { errno, text } = acknowledgement;
          return { messages, errno: errno === 0 ? null : errnoName(errno), text, isInterrupted };
        }
        messages.push(message);
        const isMulti = (message.flags & netlinkNumber.NLM_F_MULTI) !== 0;
        if (!isMulti && !wantsAcknowledgement) {
          return { messages, errno: null, text: null, isInterrupted };
        }
      }
    }
  }

  /** One datagram, whole, in memory of its own. */
  #receive(): Uint8Array {
    const { MSG_PEEK, MSG_TRUNC } = socketNumber;
    let length = this.#receiveWith(MSG_PEEK | MSG_TRUNC);
    while (length > this.#buffer.length) {
      this.#buffer = new Uint8Array(length);
      length = this.#receiveWith(MSG_PEEK | MSG_TRUNC);
    }
    return this.#buffer.slice(0, this.#receiveWith(0));
  }

  #receiveWith(flags: number): number {
    for (;;) {
      const length = this.#libc.recv(this.#fd, this.#buffer, this.#buffer.length, flags);
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errnoName(errno) !== "EINTR") throw socketError("read from", errno);
    }
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}

const ueventPollMs = 5;
// lib/kobject_uevent.c: UEVENT_BUFFER_SIZE 2048, plus the header.
const ueventBufferSize = 8192;
const kernelGroup = 1;

/** Listens to the kernel's uevents, of all subsystems. Open it before the change it waits for. */
export class UeventSocket {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(ueventBufferSize);

  private constructor({ libc, fd }: OpenSocket) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** null where C cannot be called: look at sysfs at intervals then. */
  static open(): UeventSocket | null {
    const opened = openSocket(netlinkNumber.NETLINK_KOBJECT_UEVENT, kernelGroup);
    return opened === null ? null : new UeventSocket(opened);
  }

  /**
   * Everything that has come since the last call. `isComplete` is false when the kernel dropped
   * some because nobody read them in time: look at sysfs then.
   */
  drain(): { readonly uevents: readonly Uevent[]; readonly isComplete: boolean } {
    const uevents: Uevent[] = [];
    let isComplete = true;
    for (;;) {
      const { MSG_DONTWAIT } = socketNumber;
      const length = this.#libc.recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT);
      if (length < 0) {
        const errno = this.#libc.errno();
        const name = errnoName(errno);
        if (name === "EINTR") continue;
        if (name === "EAGAIN") return { uevents, isComplete };
        if (name !== "ENOBUFS") throw socketError("read from", errno);
        isComplete = false;
        continue;
      }
      const uevent = decodeUevent(this.#buffer.subarray(0, length));
      if (uevent !== null) uevents.push(uevent);
    }
  }

  /** Resolves when something has come or the time is over; the list is empty then. */
  async awaitUevents(timeoutMs: number): Promise<readonly Uevent[]> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const { uevents, isComplete } = this.drain();
      const leftMs = deadlineMs - performance.now();
      if (uevents.length > 0 || !isComplete || leftMs <= 0) return uevents;
      await delay(Math.min(ueventPollMs, leftMs));
    }
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
