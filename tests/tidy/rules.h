#pragma once

#include <string>
#include <vector>

#include "tidy/source.h"

namespace bronze::tidy {

/// `path:line: what is wrong there`.
using Offences = std::vector<std::string>;

/// The environment is read by src/config only, and not at all by the bridge but for measurements.
[[nodiscard]] Offences environment_reads(const Source& source);
/// librdkafka is called by src/kafka only.
[[nodiscard]] Offences librdkafka_calls(const Source& source);
/// The bridge is called by src/delta only.
[[nodiscard]] Offences bridge_calls(const Source& source);
/// Folders of src include what is theirs to know, see the table in rules.cpp.
[[nodiscard]] Offences forbidden_includes(const Source& source);
/// Shared ownership, but for the logger.
[[nodiscard]] Offences shared_pointers(const Source& source);
/// Functions of more than 70 lines.
[[nodiscard]] Offences long_functions(const Source& source);
/// Constructors of more than five parameters: a noun is missing.
[[nodiscard]] Offences wide_constructors(const Source& source);
/// Lines of more than 100 columns, but for a Rust string that stands alone.
[[nodiscard]] Offences long_lines(const Source& source);
/// Files whose name says nothing of what is in them.
[[nodiscard]] Offences nameless_files(const Source& source);
/// Headers that do not begin with `#pragma once`.
[[nodiscard]] Offences unguarded_headers(const Source& source);
/// Notes of unfinished work.
[[nodiscard]] Offences leftover_notes(const Source& source);
/// Words about how the code came to be: it says what it is.
[[nodiscard]] Offences words_about_the_work(const Source& source);

}  // namespace bronze::tidy
