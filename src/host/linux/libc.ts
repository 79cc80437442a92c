// The C library's socket calls. The only file that calls C: a wrong prototype here is a crash, so
// all of them stand together below. Node calls C itself (node:ffi), so a single executable needs
// no library beside it; that module is young, and where it is absent or has changed there is none.

type Ffi = typeof import("node:ffi");

export type Libc = {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly connect: (fd: number, address: Uint8Array, length: number) => number;
  // oxlint-disable-next-line max-params -- the kernel's prototype, setsockopt(2)
  readonly setsockopt: (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number;
  readonly send: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly recv: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly close: (fd: number) => number;
  /** Of the last call that failed. */
  readonly errno: () => number;
};

// size_t and ssize_t as on the 64-bit machines that Node 26 is built for.
const prototypes = {
  socket: { arguments: ["int32", "int32", "int32"], return: "int32" },
  bind: { arguments: ["int32", "buffer", "uint32"], return: "int32" },
  connect: { arguments: ["int32", "buffer", "uint32"], return: "int32" },
  setsockopt: { arguments: ["int32", "int32", "int32", "buffer", "uint32"], return: "int32" },
  send: { arguments: ["int32", "buffer", "uint64", "int32"], return: "int64" },
  recv: { arguments: ["int32", "buffer", "uint64", "int32"], return: "int64" },
  close: { arguments: ["int32"], return: "int32" },
  __errno_location: { arguments: [], return: "pointer" },
} as const;

/** node:ffi says on standard error that it is experimental; our users cannot act on that. */
function loadFfi(): Ffi | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:ffi");
  } finally {
    process.emitWarning = emitWarning;
  }
}

function loadLibc(): Libc | null {
  const ffi = loadFfi();
  if (ffi === undefined) return null;
  try {
    // Node is linked with the C library, whichever that is.
    const { functions } = ffi.dlopen(null, prototypes);
    const { send, recv, __errno_location: errnoLocation } = functions;
    const errnoPointer = errnoLocation(); // errno(3): of this thread, for ever
    return {
      ...functions,
      send: (fd, bytes, length, flags) => Number(send(fd, bytes, BigInt(length), flags)),
      recv: (fd, bytes, length, flags) => Number(recv(fd, bytes, BigInt(length), flags)),
      errno: () => ffi.getInt32(errnoPointer),
    };
  } catch {
    return null; // another version of node:ffi, or a permission that forbids it
  }
}

let libc: Libc | null | undefined;

/** null where C cannot be called. */
export function openLibc(): Libc | null {
  if (libc === undefined) libc = process.platform === "linux" ? loadLibc() : null;
  return libc;
}
