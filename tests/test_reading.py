from types import SimpleNamespace

import pytest
import torch

from grpo_lite.reading import memory_of, read

T, F = True, False


@pytest.mark.usefixtures("as_user")  # the model is a plain function
@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_what_a_model_remembers_comes_back_under_the_name_that_it_gave(name):
    calls = []

    def model(**given):
        calls.append(given)
        return SimpleNamespace(logits=torch.arange(12.0).view(1, 4, 3), **{name: f"memory {len(calls)}"})

    mask = torch.tensor([[F, T, T, T]])
    logits, memory = read(model, torch.tensor([[0, 5, 6]]), mask[:, :3], keep=1)
    assert logits.tolist() == [[[9.0, 10.0, 11.0]]]
    assert memory == {name: "memory 1"}
    _, memory = read(model, torch.tensor([[7]]), mask, keep=1, **memory)
    assert memory == {name: "memory 2"}
    assert [call.get(name) for call in calls] == [None, "memory 1"]
    assert [call["position_ids"].tolist() for call in calls] == [[[0, 0, 1]], [[2]]]
    assert calls[1]["attention_mask"].tolist() == [[0, 1, 1, 1]]


def test_a_model_without_a_cache_remembers_nothing():
    assert list(memory_of(SimpleNamespace(logits=None)).values()) == [None]
