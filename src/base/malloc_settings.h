#pragma once

namespace bronze {

/// Makes malloc give back what is freed. Comes first in main.
void tune_malloc();

}  // namespace bronze
