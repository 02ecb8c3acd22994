// The most frequent words of a file: C++ with its library, and a folder that may be read.
//
// $ capsule run words.cpp
#include <algorithm>
#include <capsule.h>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

CAPSULE_TASK(main, "compute=MEDIUM", "allowed_files=./data:ro", "allowed_hosts=") {
    const char *path = capsule_arg_count() > 0 ? capsule_arg_string(0) : "data/text.txt";
    std::FILE *file = std::fopen(path, "r");
    if (file == nullptr) {
        return capsule_error("%s can't be read", path);
    }
    std::string text;
    for (int character; (character = std::fgetc(file)) != EOF;) {
        text += static_cast<char>(character);
    }
    std::map<std::string, int> counts;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        counts[word]++;
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](auto &a, auto &b) { return a.second > b.second; });
    capsule_value *top = capsule_object();
    for (size_t i = 0; i < sorted.size() && i < 3; i++) {
        capsule_put(top, sorted[i].first.c_str(), sorted[i].second);
    }
    // Texts are not copied into values: this one is written while the map is still there.
    return capsule_return_json(capsule_text(top));
}
