import { mean, median } from "#libs/numeric/stats";

export function main(prices = [101, 99, 104, 400]): { mean: number; median: number } {
  return { mean: mean(prices), median: median(prices) };
}
