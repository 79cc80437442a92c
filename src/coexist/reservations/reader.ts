// What every reader of reservations takes and gives: the files of its manager, as wishes.

import type { Address } from "../../model/bdf.ts";
import type { Reservation, Wish, WishReading } from "../../model/reservation.ts";
import type { ConfigFile } from "../config-file.ts";

export type ReadWishes = (files: readonly ConfigFile[]) => WishReading;

/** A file of one guest may name at most so many functions; more are rubbish. */
const wishesMax = 1024;

export const boundedWishes = (wishes: readonly Wish[]): readonly Wish[] =>
  wishes.length > wishesMax ? wishes.slice(0, wishesMax) : wishes;

/** One wish by one sign. */
export const wishFor = (
  target: Wish["target"],
  reservation: Omit<Reservation, "evidence">,
  evidence: string,
): Wish => ({ target, reservation: { ...reservation, evidence: [evidence] }, isLive: false });

export const atAddress = (address: Address): Wish["target"] => ({ address });
export const atIfindex = (ifindex: number): Wish["target"] => ({ ifindex });
export const atNetdev = (netdev: string): Wish["target"] => ({ netdev });
