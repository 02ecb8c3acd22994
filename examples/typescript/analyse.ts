// Which part of the world has how many time zones: one sub-task for each area, side by side.
//
// $ capsule run analyse.ts

import fs from "node:fs/promises";
import { task } from "@capsule-run/sdk";

interface Summary {
  area: string;
  zones: number;
  countries: number;
  northernmost: string;
  meanLatitude: number;
}

const COORDINATES = /^([+-])(\d{2})(\d{2})(?:\d{2})?[+-]\d{5}(?:\d{2})?$/;

/** One area's zones. It gets its rows as arguments, and no file and no host. */
export const summarise = task(
  { name: "summarise", compute: "LOW", ram: "64MB", timeout: "5s", allowedHosts: [], maxRetries: 1 },
  async (area: string, rows: string[]): Promise<Summary> => {
    const latitudes = new Map<string, number>();
    const countries = new Set<string>();
    for (const row of rows) {
      const [codes, place, zone] = row.split("\t");
      const match = COORDINATES.exec(place);
      if (!match) throw new RangeError(`${zone} lies nowhere: ${place}`);
      const [, sign, degrees, minutes] = match;
      latitudes.set(zone, (sign === "-" ? -1 : 1) * (Number(degrees) + Number(minutes) / 60));
      for (const code of codes.split(",")) countries.add(code);
    }
    const byLatitude = [...latitudes].sort(([, one], [, other]) => other - one);
    const sum = byLatitude.reduce((total, [, latitude]) => total + latitude, 0);
    return {
      area,
      zones: rows.length,
      countries: countries.size,
      northernmost: byLatitude[0][0],
      meanLatitude: Math.round((sum / rows.length) * 10) / 10,
    };
  },
);

/** Reads the table, and gives each area's rows to a task of its own. */
export const main = task(
  { name: "main", compute: "LOW", allowedFiles: [{ path: "./data", mode: "read-only" }], allowedHosts: [] },
  async (path: string = "data/zone1970.tab"): Promise<Summary[]> => {
    const rowsByArea = new Map<string, string[]>();
    for (const row of (await fs.readFile(path, "utf8")).trimEnd().split("\n")) {
      if (row.startsWith("#")) continue;
      const area = row.split("\t")[2].split("/")[0];
      rowsByArea.set(area, [...(rowsByArea.get(area) ?? []), row]);
    }

    const outcomes = await Promise.all([...rowsByArea].map(([area, rows]) => summarise(area, rows)));
    return outcomes.map((outcome) => outcome.unwrap()).sort((one, other) => other.zones - one.zones);
  },
);
