#pragma once

#include <array>
#include <utility>

namespace bronze::kafka {

/// What of librdkafka's settings makes fetching prompt: the service's own, and those of the bare
/// loop that it is measured against.
inline constexpr std::array<std::pair<const char*, const char*>, 3> k_fetch_settings{
    // A broker answers a connection's requests in order: whoever asks it something, as before each
    // commit, waits for the fetch before.
    {{"fetch.wait.max.ms", "100"},
     // What is fetched may be many times larger decompressed, and each record costs memory of its
     // own.
     {"max.partition.fetch.bytes", "524288"},
     // The queue is full whenever we are behind: fetching stands still this long each time.
     {"fetch.queue.backoff.ms", "10"}}};

}  // namespace bronze::kafka
