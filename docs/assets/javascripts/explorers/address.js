// What a link says of the state of an explorer. A reader makes a value of a text, or undefined of what cannot be one:
// a link may come from anybody.

export const oneOf = (values) => (text) => (values.includes(text) ? text : undefined);

// A number on a scale; between two steps the nearer counts.
export const numberIn =
  ({ min, max, step }) =>
  (text) => {
    const value = /^-?[\d.]+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) return undefined;
    return step ? Number((Math.round(value / step) * step).toFixed(6)) : value; // 0.15, not 0.15000000000000002
  };

export const several = (count, reader) => (text) => {
  const values = text.split(",").map(reader);
  return values.length === count && !values.includes(undefined) ? values : undefined;
};

// The part of the state that "?size=32&rate=1" gives; what is unknown or wrong is left out.
export function readState(search, readers) {
  const given = [...new URLSearchParams(search)].filter(([key]) => Object.hasOwn(readers, key));
  const values = given.map(([key, text]) => [key, readers[key](text)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

// The same way back: what of the state differs from the start.
export function writeState(state, start, readers) {
  const text = (value) => [value].flat().map((x) => (typeof x === "number" ? Number(x.toFixed(6)) : x)).join(",");
  const safe = (value) => encodeURIComponent(text(value)).replaceAll("%2C", ",");
  const keys = Object.keys(readers).filter((key) => text(state[key]) !== text(start[key]));
  return keys.map((key) => `${key}=${safe(state[key])}`).join("&");
}
