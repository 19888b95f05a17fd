#pragma once

#include <cstdint>

#include "batch/arrow_c_data.h"

namespace bronze::batch {

/// What every child of an exported struct has as its `release`: a consumer may move a child out and
/// release it by itself; the parent's release then finds it marked as released. The memory goes
/// with the parent.
template <typename Node>
void release_child(Node* node) {
  for (std::int64_t i = 0; i < node->n_children; ++i) {
    Node* child = node->children[i];
    if (child->release != nullptr) child->release(child);
  }
  node->release = nullptr;
}

/// `release` of a struct whose private data is an `Exported`, made by new.
template <typename Exported, typename Node>
void release_parent(Node* node) {
  delete static_cast<Exported*>(node->private_data);
  node->release = nullptr;
}

}  // namespace bronze::batch
