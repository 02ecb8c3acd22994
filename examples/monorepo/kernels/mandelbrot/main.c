#include "../../libs/c/digits.h"
#include <capsule.h>

CAPSULE_TASK(main, "compute=HIGH", "timeout=10s") {
    unsigned long inside = 0;
    for (int row = 0; row < 120; row++) {
        for (int column = 0; column < 160; column++) {
            double cx = column / 50.0 - 2.2, cy = row / 50.0 - 1.2, x = 0, y = 0;
            int steps = 0;
            while (x * x + y * y < 4 && steps < 200) {
                double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
                steps++;
            }
            inside += steps == 200;
        }
    }
    return capsule_return(digits(inside));
}
