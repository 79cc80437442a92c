// Names of all capability IDs that the PCI and PCIe specifications hand out, so that a capability
// nobody decodes here is at least called what it is. Both lists are by ID, without gaps; a name
// ends in the acronym that people use, where there is one.

const standardNames = [
  "Null",
  "Power Management",
  "AGP",
  "Vital Product Data (VPD)",
  "Slot Identification",
  "MSI",
  "CompactPCI Hot Swap",
  "PCI-X",
  "HyperTransport",
  "Vendor-Specific",
  "Debug Port",
  "CompactPCI Central Resource Control",
  "PCI Hot-Plug",
  "Bridge Subsystem Vendor ID",
  "AGP 8x",
  "Secure Device",
  "PCI Express",
  "MSI-X",
  "SATA Data/Index Configuration",
  "Advanced Features",
  "Enhanced Allocation (EA)",
  "Flattening Portal Bridge",
];

const extendedNames = [
  "Null",
  "Advanced Error Reporting (AER)",
  "Virtual Channel (VC)",
  "Device Serial Number (DSN)",
  "Power Budgeting",
  "Root Complex Link Declaration",
  "Root Complex Internal Link Control",
  "Root Complex Event Collector Endpoint Association",
  "Multi-Function Virtual Channel (MFVC)",
  "Virtual Channel (MFVC)",
  "Root Complex Register Block Header",
  "Vendor-Specific Extended (VSEC)",
  "Configuration Access Correlation",
  "Access Control Services (ACS)",
  "Alternative Routing-ID Interpretation (ARI)",
  "Address Translation Services (ATS)",
  "Single Root I/O Virtualization (SR-IOV)",
  "Multi-Root I/O Virtualization (MR-IOV)",
  "Multicast",
  "Page Request Interface (PRI)",
  "Reserved for AMD",
  "Resizable BAR",
  "Dynamic Power Allocation (DPA)",
  "TPH Requester",
  "Latency Tolerance Reporting (LTR)",
  "Secondary PCI Express",
  "Protocol Multiplexing",
  "Process Address Space ID (PASID)",
  "LN Requester",
  "Downstream Port Containment (DPC)",
  "L1 PM Substates",
  "Precision Time Measurement (PTM)",
  "PCI Express over M-PHY",
  "FRS Queueing",
  "Readiness Time Reporting (RTR)",
  "Designated Vendor-Specific Extended (DVSEC)",
  "VF Resizable BAR",
  "Data Link Feature (DLF)",
  "Physical Layer 16.0 GT/s",
  "Lane Margining at the Receiver",
  "Hierarchy ID",
  "Native PCIe Enclosure Management (NPEM)",
  "Physical Layer 32.0 GT/s",
  "Alternate Protocol",
  "System Firmware Intermediary (SFI)",
  "Shadow Functions",
  "Data Object Exchange (DOE)",
  "Device 3",
  "Integrity and Data Encryption (IDE)",
  "Physical Layer 64.0 GT/s",
  "Flit Logging",
  "Flit Performance Measurement",
  "Flit Error Injection",
  "Streamlined Virtual Channel",
  "MMIO Register Block Locator",
];

const unknown = (id: number, digits: number): string =>
  `Unknown 0x${id.toString(16).padStart(digits, "0")}`;

export const standardCapabilityName = (id: number): string => standardNames[id] ?? unknown(id, 2);

export const extendedCapabilityName = (id: number): string => extendedNames[id] ?? unknown(id, 4);

/** What people call it: `SR-IOV` of `Single Root I/O Virtualization (SR-IOV)`. */
export const shortCapabilityName = (name: string): string =>
  /^.* \(([A-Z-]+)\)$/.exec(name)?.[1] ?? name;
