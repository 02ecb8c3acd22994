// Each task sees the folders that it declares, and nothing else.
//
// $ capsule run files.ts && cat output/countries.txt

import fs from "node:fs";
import { task } from "@capsule-run/sdk";

/** May write to ./output, and can't read ./data. */
export const writeCountries = task(
  { name: "write_countries", compute: "LOW", allowedFiles: ["./output"], allowedHosts: [] },
  (codes: string[]): number => {
    fs.writeFileSync("output/countries.txt", codes.join("\n") + "\n");
    return fs.statSync("output/countries.txt").size;
  },
);

/** May read ./data, and can't write anywhere. */
export const main = task(
  { name: "main", compute: "LOW", allowedFiles: [{ path: "./data", mode: "read-only" }], allowedHosts: [] },
  () => {
    const lines = fs.readFileSync("data/zone1970.tab", "utf8").trimEnd().split("\n");
    const rows = lines.filter((line) => !line.startsWith("#"));
    const codes = new Set(rows.flatMap((row) => row.split("\t")[0].split(",")));

    const refused: Record<string, string | undefined> = {};
    for (const path of ["data/mine.txt", "output/mine.txt", "/etc/passwd"]) {
      try {
        fs.writeFileSync(path, "mine");
      } catch (error) {
        refused[path] = (error as NodeJS.ErrnoException).code;
      }
    }

    return { countries: codes.size, bytesWritten: writeCountries([...codes].sort()).unwrap(), refused };
  },
);
