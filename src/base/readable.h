#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bronze {

// Numbers as people read them; the page has the same forms.

/// `1,234,567`
[[nodiscard]] std::string with_commas(std::uint64_t value);

/// `1 topic`, `1,234 topics`
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view noun);

/// `0.4`, `1,234`: of something a second.
[[nodiscard]] std::string rate_text(double per_second);

/// `512 B`, `12.3 MiB`
[[nodiscard]] std::string bytes_text(double bytes);

/// `184 ms`, `2.4 s`, `3 min 12 s`, `5 h 1 min`, `2 d 3 h`
[[nodiscard]] std::string duration_text(double seconds);

/// `48 s`, `13 min`, `5 h`, `3 days`: for what is not known better.
[[nodiscard]] std::string about_text(double seconds);

}  // namespace bronze
