// Every verb of the host interface and what the machine's kernel does with it.

import type { HostRequest, HostVerb } from "../../host.ts";
import type { Verb } from "../step.ts";
import { setAltName } from "./alt-name.ts";
import {
  loadModule,
  probe,
  setDriverOverride,
  setDriversAutoprobe,
  setMsixCount,
  unbind,
} from "./binding.ts";
import { setAdminState, setEswitchMode, setMtu, setVf } from "./netdev.ts";
import { setNumVfs } from "./num-vfs.ts";
import { reset } from "./reset.ts";

type VerbTable = { readonly [Name in HostVerb]: Verb<Extract<HostRequest, { verb: Name }>> };

const table: VerbTable = {
  setNumVfs,
  setDriversAutoprobe,
  setDriverOverride,
  unbind,
  probe,
  loadModule,
  setVf,
  setEswitchMode,
  setMtu,
  setAltName,
  setAdminState,
  setMsixCount,
  reset,
};

/** The row of a request's own verb, so that the types match whatever it is. */
export const verbOf = (verb: HostVerb): Verb<HostRequest> => table[verb] as Verb<HostRequest>;
