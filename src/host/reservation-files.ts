// Reads whose configuration reserves functions, under a root. A host without any manager of guests
// pays for a look at some folders; the readers and their parsers are loaded where there is one.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ConfigFile } from "../coexist/config-file.ts";
import { type WishManager, type WishPlace, wishPlaces } from "../coexist/reservations/places.ts";
import type { Problem } from "../model/problem.ts";
import type { HostWishes } from "../model/reservation.ts";
import type { ConfigReader } from "./config-files.ts";
import type { ReservationDepth } from "./host.ts";

type Reading = {
  readonly root: string;
  readonly depth: ReservationDepth;
  /** The inventory's owners come from processes, too. */
  readonly hasProcesses: boolean;
};

const allPlaces = Object.entries(wishPlaces) as [WishManager, readonly WishPlace[]][];

/** A captured tree has no processes: what was running then is in these files alone. */
const isWanted = (place: WishPlace, { depth, hasProcesses }: Reading): boolean =>
  depth === "everything" ||
  (place.isManagement !== true && !(place.isLive === true && hasProcesses));

function filesIn(reader: ConfigReader, { folder, names, isNested }: WishPlace): void {
  const inner =
    isNested === true ? reader.names(folder).map((name) => `${folder}/${name}`) : [folder];
  for (const each of inner) {
    for (const name of reader.names(each)) {
      if (names.test(name)) reader.readFile(`${each}/${name}`);
    }
  }
}

/** Files that this user must not read are one problem, however many they are. */
function withoutRefused(problems: readonly Problem[]): Problem[] {
  const refused = problems.filter(({ message }) => /: (?:EACCES|EPERM)$/.test(message));
  const [first] = refused;
  if (first === undefined) return [...problems];
  const more = refused.length === 1 ? "" : ` and ${refused.length - 1} more`;
  const message = `Cannot see all reservations: ${first.where}${more} must not be read by this user`;
  const rest = problems.filter((problem) => !refused.includes(problem));
  return [...rest, { code: first.code, where: first.where, message, hint: "Run as root" }];
}

/** What the configuration under `root` reserves. */
export async function readReservations(reading: Reading): Promise<HostWishes> {
  const { root, hasProcesses } = reading;
  const wanted = allPlaces.map(
    ([manager, places]) =>
      [
        manager,
        places.filter((place) => isWanted(place, reading) && existsSync(join(root, place.folder))),
      ] as const,
  );
  const present = wanted.filter(([, places]) => places.some(({ isAside }) => isAside !== true));
  if (present.length === 0) return { wishes: [], problems: [], hasProcesses };
  const [{ ConfigReader }, { readWishes }] = await Promise.all([
    import("./config-files.ts"),
    import("../coexist/reservations/reservations.ts"),
  ]);
  const files = new Map<WishManager, readonly ConfigFile[]>();
  const problems: Problem[] = [];
  for (const [manager, places] of present) {
    const loss = { code: "reservation-file", words: "which may reserve functions" };
    const reader = new ConfigReader(root, loss);
    for (const place of places) filesIn(reader, place);
    files.set(manager, reader.files);
    problems.push(...reader.problems);
  }
  const found = readWishes(files);
  const all = [...withoutRefused(problems), ...found.problems];
  return { wishes: found.wishes, problems: all, hasProcesses };
}
