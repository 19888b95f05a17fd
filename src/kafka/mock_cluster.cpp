#include "kafka/mock_cluster.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "kafka/client.h"

namespace bronze::kafka {
namespace {

/// The cluster's thread answers a command first and forgets all wake-ups after that: a command that
/// follows at once would wait for a second.
void let_it_settle() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

void throw_if(rd_kafka_resp_err_t error, const std::string& what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  throw std::runtime_error("the in-process Kafka: " + what + " failed: " + rd_kafka_err2str(error));
}

}  // namespace

MockCluster::MockCluster(const std::vector<std::string>& topics, int partitions)
    : host_(make_client({.type = RD_KAFKA_PRODUCER, .properties = {{"client.id", "mock"}}})),
      cluster_(rd_kafka_mock_cluster_new(host_.get(), 1)) {
  if (!cluster_) throw std::runtime_error("the in-process Kafka: it cannot listen on loopback");
  // The cluster names broker 0 as its controller, and numbers those it makes itself from 1 on.
  // Without a controller, requests about topics wait for ever.
  throw_if(rd_kafka_mock_broker_add(cluster_.get(), 0), "adding a broker");
  let_it_settle();
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_.get(), 0);
  for (const auto& topic : topics) {
    let_it_settle();
    throw_if(rd_kafka_mock_topic_create(cluster_.get(), topic.c_str(), partitions, 1),
             "creating the topic " + topic);
  }
}

std::string MockCluster::bootstrap_servers() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_.get());
}

}  // namespace bronze::kafka
