// The fields of the PCI Express registers against the masks of the kernel's pci_regs.h, where this
// machine has it. Fields that no device at hand ever sets are wrong for years otherwise.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headerAbsent, numbersOf } from "../../../test/kernel-header.ts";
import * as fields from "./pcie-fields.ts";
import { fieldMask, type FieldTable } from "../register-fields.ts";

/** Fields in the order of their table, under the kernel's names; `-` where it has none. */
const rows: readonly (readonly [register: string, prefix: string, names: string])[] = [
  ["pcieFlags", "FLAGS", "VERS TYPE SLOT IRQ -"],
  [
    "deviceCapabilities",
    "DEVCAP",
    "PAYLOAD PHANTOM EXT_TAG L0S L1 ATN_BUT ATN_IND PWR_IND RBER - PWR_VAL PWR_SCL FLR - -",
  ],
  [
    "deviceControl",
    "DEVCTL",
    "CERE NFERE FERE URRE RELAX_EN PAYLOAD EXT_TAG PHANTOM AUX_PME NOSNOOP_EN READRQ BCR_FLR",
  ],
  ["deviceStatus", "DEVSTA", "CED NFED FED URD AUXPD TRPND -"],
  ["linkCapabilities", "LNKCAP", "SLS MLW ASPMS L0SEL L1EL CLKPM SDERC DLLLARC LBNC - PN"],
  ["linkControl", "LNKCTL", "ASPMC - RCB LD RL CCC ES CLKREQ_EN HAWD LBMIE LABIE - - -"],
  ["linkStatus", "LNKSTA", "CLS NLW LT SLC DLLLA LBMS LABS"],
  ["slotCapabilities", "SLTCAP", "ABP PCP MRLSP AIP PIP HPS HPC SPLV SPLS EIP NCCS PSN"],
  [
    "slotControl",
    "SLTCTL",
    "ABPE PFDE MRLSCE PDCE CCIE HPIE AIC PIC PCC EIC DLLSCE ASPL_DISABLE IBPD_DISABLE",
  ],
  ["slotStatus", "SLTSTA", "ABP PFD MRLSC PDC CC MRLSS PDS EIS DLLSC"],
  ["rootControl", "RTCTL", "SECEE SENFEE SEFEE PMEIE CRSSVE -"],
  ["rootCapabilities", "RTCAP", "CRSVIS"],
  ["rootStatus", "RTSTA", "- PME PENDING"],
  [
    "deviceCapabilities2",
    "DEVCAP2",
    "- COMP_TMOUT_DIS ARI ATOMIC_ROUTE ATOMIC_COMP32 ATOMIC_COMP64 ATOMIC_COMP128 - LTR - - - " +
      "OBFF_MASK - EE_PREFIX - - - - - -",
  ],
  [
    "deviceControl2",
    "DEVCTL2",
    "COMP_TIMEOUT COMP_TMOUT_DIS ARI ATOMIC_REQ ATOMIC_EGRESS_BLOCK IDO_REQ_EN IDO_CMP_EN LTR_EN " +
      "- - OBFF_WAKE_EN -",
  ],
  ["linkCapabilities2", "LNKCAP2", "- CROSSLINK - - - - -"],
  ["linkControl2", "LNKCTL2", "TLS ENTER_COMP HASD - TX_MARGIN - - -"],
  ["slotCapabilities2", "SLTCAP2", "IBPD"],
];

const tables: Readonly<Record<string, FieldTable>> = { ...fields };

const skip = headerAbsent("pci_regs.h");

for (const [register, prefix, names] of rows) {
  test(`${register} has its fields where pci_regs.h has them`, { skip }, () => {
    const known = numbersOf("pci_regs.h");
    const table = tables[register] ?? assert.fail(`no register is named ${register}`);
    const ours = Object.keys(table);
    const theirs = names.split(" ");
    assert.equal(theirs.length, ours.length);
    for (const [index, field] of ours.entries()) {
      if (theirs[index] === "-") continue;
      const name = `PCI_EXP_${prefix}_${theirs[index]}`;
      assert.equal(fieldMask(table, [field]), known.get(name), `${field} is ${name}`);
    }
  });
}

test("no two fields of a register share a bit", () => {
  for (const [register, table] of Object.entries(tables)) {
    let taken = 0n;
    for (const field of Object.keys(table)) {
      const mask = BigInt(fieldMask(table, [field]));
      assert.equal(taken & mask, 0n, `${field} of ${register}`);
      taken |= mask;
    }
  }
});
