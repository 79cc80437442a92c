// What was read of a host, as one value: which file said what, and what netlink, programs and the
// census answered. Bytes of files and programs are latin1 text, one character a byte.

export type FileAnswer =
  | { readonly kind: "text"; readonly text: string }
  /** Config space. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "names"; readonly names: readonly string[] }
  /** `ENOENT`, `EACCES` ... */
  | { readonly kind: "failed"; readonly errno: string };

export type CaptureHeader = {
  /** Version of the program that read the host. */
  readonly madeBy: string;
  /** When, in UTC: `2026-11-21T10:00:00Z`. */
  readonly at: string;
  /** Whether MACs, serials, addresses and names stand in for the real ones. */
  readonly identifiers: "raw" | "replaced";
  readonly user: "root" | "other";
  /** Sources beyond the size limit were left out. */
  readonly isCut: boolean;
};

export type Evidence = {
  readonly header: CaptureHeader;
  /** By absolute path on that host, links of the path followed as far as they are known. */
  readonly files: ReadonlyMap<string, FileAnswer>;
  /** By question: `run ethtool -i eth0`, `census`; one string a line, without line ends. */
  readonly answers: ReadonlyMap<string, readonly string[]>;
};
