#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "observe/recent_troubles.h"

namespace bronze::observe {

/// Makes spdlog's default logger write to standard output, one line an event. Call once, before
/// any other thread logs. Afterwards every thread may log.
void set_up_log(const config::LogConfig& config);

/// The same for commands whose standard output is their result: warnings and errors only, as text
/// on standard error.
void set_up_quiet_log();

/// The same, but into a file, as text from level info on: for a command whose standard output shows
/// something else. Throws spdlog::spdlog_ex when it cannot be opened.
void set_up_log_file(const std::string& path);

/// The last warnings and errors of the log that was set up, newest first. From any thread.
[[nodiscard]] std::vector<Trouble> recent_troubles();

/// Text: `2024-01-15T10:30:00.123Z info message`, control characters escaped, so that an event
/// stays one line. JSON: an object with `ts`, `level` and `msg`, and of an event (base/event_log.h)
/// its name and fields; bytes that are not UTF-8 become the replacement character.
[[nodiscard]] std::unique_ptr<spdlog::formatter> make_log_formatter(config::LogFormat format);

}  // namespace bronze::observe
