#include "kafka/gap_reader.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <utility>

#include "kafka/trouble.h"

namespace bronze::kafka {
namespace {

using Kind = Trouble::Kind;

/// Reading on over so many offsets costs less than a new request.
constexpr std::int64_t k_read_over_max = 10'000;
constexpr std::size_t k_samples_max = 20;
constexpr std::chrono::seconds k_silence_max{30};
constexpr std::chrono::milliseconds k_poll{200};

using MessageHandle = Handle<rd_kafka_message_t, rd_kafka_message_destroy>;

/// One partition being read.
class Reading {
 public:
  Reading(Consumer& consumer, const GapRequest& request)
      : consumer_(consumer), request_(request), gap_(request.next_gap(Offset{0})) {}

  GapLook run() {
    if (gap_) begin();
    SteadyTime heard = std::chrono::steady_clock::now();
    while (gap_ && !look_.trouble.any()) {
      consumer_.renew_secrets();
      const MessageHandle message(rd_kafka_consumer_poll(consumer_.get(), k_poll.count()));
      const SteadyTime now = std::chrono::steady_clock::now();
      if (now >= request_.deadline) {
        look_.trouble = {Kind::kOther, "there was not time enough to read all gaps"};
      } else if (message && take(*message)) {
        heard = now;
      } else if (now - heard > k_silence_max) {
        look_.trouble = {Kind::kUnreachable, silence_.empty() ? "no answer in time" : silence_};
      }
    }
    rd_kafka_assign(consumer_.get(), nullptr);
    if (gap_) look_.reached = gap_->first;
    return std::move(look_);
  }

 private:
  void begin() {
    const PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), request_.topic.c_str(),
                                      number(request_.partition))
        ->offset = gap_->first.value;
    position_ = gap_->first;
    const auto error = rd_kafka_assign(consumer_.get(), list.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(error, rd_kafka_err2str(error));
  }

  /// Whether it got us on.
  bool take(const rd_kafka_message_t& message) {
    switch (message.err) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        take_record(Offset{message.offset});
        return true;
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        move_to(Offset{message.offset});
        // Nothing more can come of a gap that goes on behind the end.
        if (gap_ && gap_->first.value >= message.offset) gap_.reset();
        return true;
      default:
        if (kind_of(message.err) != Kind::kUnreachable) {
          fail(message.err, rd_kafka_message_errstr(&message));
        } else if (message.err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
          silence_ = rd_kafka_message_errstr(&message);
        }
        return false;
    }
  }

  void take_record(Offset offset) {
    // Left over from before a jump.
    if (offset < position_) return;
    move_to(offset);
    if (!gap_ || gap_->first != offset) {
      if (gap_ && gap_->first.value - offset.value > k_read_over_max) begin();
      return;
    }
    add_sample(offset);
    move_to(offset.following());
    if (++look_.visible >= request_.visible_max) {
      look_.trouble = {Kind::kOther, "so many records are missing that the rest was not counted"};
    }
  }

  /// Nothing of the gap before `offset` shows.
  void move_to(Offset offset) {
    position_ = std::max(position_, offset);
    if (gap_ && gap_->first < offset) gap_ = request_.next_gap(offset);
  }

  void add_sample(Offset offset) {
    auto& samples = look_.samples;
    if (!samples.empty() && samples.back().next == offset) {
      samples.back().next = offset.following();
    } else if (samples.size() < k_samples_max) {
      samples.push_back({offset, offset.following()});
    }
  }

  void fail(rd_kafka_resp_err_t code, const char* why) {
    look_.trouble = consumer_.explain(code, why == nullptr ? rd_kafka_err2str(code) : why);
  }

  Consumer& consumer_;
  const GapRequest& request_;
  GapLook look_;
  /// What is not looked at yet of the gap that is being read.
  std::optional<OffsetRange> gap_;
  Offset position_;
  std::string silence_;
};

}  // namespace

GapReader::GapReader(const SourceSettings& settings)
    : consumer_(settings, {.fixed = {{"enable.auto.commit", "false"},
                                     {"enable.auto.offset.store", "false"},
                                     {"allow.auto.create.topics", "false"},
                                     {"isolation.level", "read_committed"},
                                     {"auto.offset.reset", "error"},
                                     {"enable.partition.eof", "true"},
                                     {"check.crcs", "true"},
                                     {"fetch.wait.max.ms", "50"},
                                     {"queued.max.messages.kbytes", "16384"}}}) {}

GapLook GapReader::read(const GapRequest& request) { return Reading(consumer_, request).run(); }

}  // namespace bronze::kafka
