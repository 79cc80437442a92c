// Where text goes: standard output and standard error. Files and pipes are written directly and
// Node's stream is only made for a terminal, or once the reader of a pipe is behind: loading
// streams costs a fifth of what a short command takes.

import { fstatSync, writeSync } from "node:fs";

export type Sink = {
  write(text: string): void;
  readonly isTerminal: boolean;
  readonly columns: number;
};

type SinkOptions = {
  /** 1 or 2. */
  readonly fd: number;
  readonly openStream: () => NodeJS.WriteStream;
  readonly onLoss: (error: Error) => void;
};

/** `/dev/null` and its like (major number 1, Documentation/admin-guide/devices.txt) are character
 * devices but no terminals. */
function mayBeTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && stat.rdev >> 8 !== 1;
  } catch {
    return false; // closed: writing will say so
  }
}

/** Writes until all is out or the descriptor takes no more now; returns what is left. */
function writeNow(fd: number, text: string): Buffer | null {
  const bytes = Buffer.from(text);
  let at = 0;
  try {
    while (at < bytes.length) at += writeSync(fd, bytes, at);
    return null;
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return bytes.subarray(at);
    throw error;
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : null;

/** A sink that goes on silently once its reader left: an apply must not die of `| head`. */
export function sinkOf({ fd, openStream, onLoss }: SinkOptions): Sink {
  let isOpen = true;
  let stream: NodeJS.WriteStream | null = null;
  const close = (error: Error): void => {
    const code = codeOf(error);
    if (isOpen && code !== "EPIPE" && code !== "EIO") onLoss(error);
    isOpen = false;
  };
  const asStream = (): NodeJS.WriteStream => {
    if (stream !== null) return stream;
    stream = openStream();
    stream.on("error", close);
    return stream;
  };
  const isDevice = mayBeTerminal(fd);
  return {
    write(text) {
      if (!isOpen) return;
      if (isDevice || stream !== null) return void asStream().write(text);
      try {
        const left = writeNow(fd, text);
        if (left !== null) asStream().write(left);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        close(error);
      }
    },
    get isTerminal() {
      return isDevice && asStream().isTTY === true;
    },
    get columns() {
      return isDevice ? (asStream().columns ?? 100) : 100;
    },
  };
}
