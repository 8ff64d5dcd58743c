// The Branin function of two variables, a classical test of optimisers:
// L. C. W. Dixon, G. P. Szegő, "The global optimization problem: an
// introduction", Towards Global Optimisation 2, 1978. Its three minima, at
// (-pi, 12.275), (pi, 2.275) and (9.42478, 2.475), have the value 0.397887.

#include <cmath>
#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: branin X Y\n");
        return 2;
    }
    const double pi = std::acos(-1.0);
    const double x = std::atof(argv[1]), y = std::atof(argv[2]);
    const double bowl = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
    const double value = bowl * bowl + 10 * (1 - 1 / (8 * pi)) * std::cos(x) + 10;
    std::printf("value=%.17g\n", value);
}
