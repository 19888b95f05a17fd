#pragma once

namespace bronze::commands {

enum class OutputFormat { kText, kJson };

}  // namespace bronze::commands
