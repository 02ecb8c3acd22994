export class Shape {
  static same = () => Shape.name;
}
export function shape() {}
export default function () {}
