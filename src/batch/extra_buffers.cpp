#include "batch/extra_buffers.h"

namespace bronze::batch {
namespace {

// Formats are those of the Arrow C Data Interface: u = utf8, z = binary, +l = list, +s = struct.
constexpr const char* k_text = "u";
constexpr const char* k_binary = "z";

std::string_view text_of(TimestampType type) {
  switch (type) {
    case TimestampType::kCreateTime:
      return "create_time";
    case TimestampType::kLogAppendTime:
      return "log_append_time";
  }
  return {};
}

std::size_t key_bytes(std::span<const Header> headers) {
  std::size_t bytes = 0;
  for (const Header& header : headers) bytes += header.key.size();
  return bytes;
}

std::size_t value_bytes(std::span<const Header> headers) {
  std::size_t bytes = 0;
  for (const Header& header : headers) bytes += header.value.value_or("").size();
  return bytes;
}

void fill(ArrowArray* node, Buffers* buffers, const BytesColumn& column) {
  *buffers = {column.validity(), column.ends(), column.bytes()};
  node->length = static_cast<std::int64_t>(column.rows());
  node->null_count = column.nulls();
  node->n_buffers = 3;
  node->buffers = buffers->data();
}

void fill(ArrowSchema* node, const char* name, const char* format) {
  node->name = name;
  node->format = format;
  node->flags = ARROW_FLAG_NULLABLE;
}

}  // namespace

bool ExtraBuffers::has_room_for(const RowExtras& extras) const {
  return topics_.has_room_for(extras.topic.size()) &&
         keys_.has_room_for(extras.key.value_or("").size()) &&
         header_keys_.rows() + extras.headers.size() <= k_offset_max &&
         header_keys_.has_room_for(key_bytes(extras.headers)) &&
         header_values_.has_room_for(value_bytes(extras.headers));
}

void ExtraBuffers::append(const RowExtras& extras) {
  if (columns_.topic) topics_.append(extras.topic);
  if (columns_.key) keys_.append(extras.key);
  if (columns_.headers) append_headers(extras.headers);
  if (columns_.timestamp_type) {
    timestamp_types_.append(extras.timestamp_type ? std::optional(text_of(*extras.timestamp_type))
                                                  : std::nullopt);
  }
}

void ExtraBuffers::append_headers(std::span<const Header> headers) {
  const std::size_t index = list_ends_.size() - 1;
  for (const Header& header : headers) {
    header_keys_.append(header.key);
    header_values_.append(header.value);
  }
  list_ends_.push_back(static_cast<std::int32_t>(header_keys_.rows()));
  set_validity(list_validity_, index, !headers.empty());
  if (headers.empty()) ++list_nulls_;
}

std::size_t ExtraBuffers::held_bytes() const {
  return topics_.held_bytes() + keys_.held_bytes() + timestamp_types_.held_bytes() +
         (list_ends_.size() - 1) * 4 + header_keys_.held_bytes() + header_values_.held_bytes();
}

void ExtraBuffers::export_to(ArrowArray* first, Exported* exported,
                             void (*release)(ArrowArray*)) const {
  ArrowArray* node = first;
  Buffers* buffers = exported->buffers.data();
  const auto add = [&](const BytesColumn& column) {
    fill(node, buffers++, column);
    node++->release = release;
  };
  if (columns_.topic) add(topics_);
  if (columns_.key) add(keys_);
  if (columns_.headers) {
    auto& below = exported->headers;
    fill(&below.key, &exported->header_buffers[0], header_keys_);
    fill(&below.value, &exported->header_buffers[1], header_values_);
    below.element.length = below.key.length;
    below.element.n_buffers = 1;
    below.element.buffers = exported->header_buffers[2].data();
    below.element.n_children = 2;
    below.element.children = below.of_element.data();
    for (ArrowArray* child : {&below.element, &below.key, &below.value}) child->release = release;

    *buffers = {list_validity_.data(), list_ends_.data(), nullptr};
    node->length = static_cast<std::int64_t>(list_ends_.size() - 1);
    node->null_count = list_nulls_;
    node->n_buffers = 2;
    node->buffers = (buffers++)->data();
    node->n_children = 1;
    node->children = below.of_list.data();
    node++->release = release;
  }
  if (columns_.timestamp_type) add(timestamp_types_);
}

std::size_t export_schemas(const ExtraColumns& columns, ArrowSchema* first,
                           NodesOfHeaders<ArrowSchema>* nested, void (*release)(ArrowSchema*)) {
  ArrowSchema* node = first;
  for (const auto& [name, member] : k_extra_columns) {
    if (!(columns.*member)) continue;
    const bool is_key = member == &ExtraColumns::key;
    fill(node, name.data(), is_key ? k_binary : k_text);
    if (member == &ExtraColumns::headers) {
      node->format = "+l";
      node->n_children = 1;
      node->children = nested->of_list.data();
      fill(&nested->element, "element", "+s");
      nested->element.n_children = 2;
      nested->element.children = nested->of_element.data();
      fill(&nested->key, "key", k_text);
      fill(&nested->value, "value", k_binary);
      for (auto* child : {&nested->element, &nested->key, &nested->value}) child->release = release;
    }
    node++->release = release;
  }
  return static_cast<std::size_t>(node - first);
}

}  // namespace bronze::batch
