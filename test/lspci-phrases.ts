// The small words of lspci that every capability uses: numbers without 0x, flags with their sign.

export const hex = (value: number | bigint, digits: number): string =>
  value.toString(16).padStart(digits, "0");

/** `Enable+ MSE-`, in the order given. */
export const flags = (values: Readonly<Record<string, boolean>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}${value ? "+" : "-"}`)
    .join(" ");
