// An npm package in a task: checks what a model has answered before anything else uses it.
//
// $ npm install
// $ capsule run validate.ts '{"title": "Tea", "price": 3.5, "tags": ["hot"]}'

import { task } from "@capsule-run/sdk";
import { z } from "zod";

const Product = z.object({
  title: z.string().min(1),
  price: z.number().positive(),
  tags: z.array(z.string()).default([]),
});

type Checked = { product: z.infer<typeof Product> } | { problems: string[] };

export const main = task(
  { name: "main", compute: "LOW", ram: "64MB", allowedHosts: [] },
  (answer: string): Checked => {
    const checked = Product.safeParse(JSON.parse(answer));
    if (checked.success) return { product: checked.data };
    return { problems: checked.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`) };
  },
);
