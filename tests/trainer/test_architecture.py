import pytest
from efficientnet_trainer.architecture import (
    MODEL_NAMES,
    architecture,
    round_filters,
    round_repeats,
)

FILTERS = {
    "unscaled stays": (32, 1.0, 32),
    "rounds up from the middle": (40, 1.1, 48),
    "rounds down below the middle": (32, 1.1, 32),
    "never below one group of eight": (16, 0.1, 8),
    "a tenth may be lost": (24, 1.1, 24),
    "more than a tenth may not": (80, 0.14, 16),
}


@pytest.mark.parametrize("filters, width, want", FILTERS.values(), ids=FILTERS)
def test_filters_round_to_multiples_of_eight(filters, width, want):
    assert round_filters(filters, width) == want


REPEATS = {"unscaled": (4, 1.0, 4), "upwards": (2, 1.1, 3), "exact": (5, 2.2, 11)}


@pytest.mark.parametrize("repeats, depth, want", REPEATS.values(), ids=REPEATS)
def test_repeats_round_up(repeats, depth, want):
    assert round_repeats(repeats, depth) == want


MEMBERS = {
    # name: blocks, stem, head, image size, dropout
    "efficientnet-b0": (16, 32, 1280, 224, 0.2),
    "efficientnet-b7": (55, 64, 2560, 600, 0.5),
    "efficientnet-l2": (88, 136, 5504, 800, 0.5),
    "efficientnet-lite4": (30, 32, 1280, 300, 0.3),
    "efficientnet-edgetpu-S": (18, 32, 1280, 224, 0.2),
}


@pytest.mark.parametrize("name, want", MEMBERS.items(), ids=MEMBERS)
def test_members_have_their_published_size(name, want):
    member = architecture(name)
    found = (len(member.blocks), member.stem_filters, member.head_filters)
    assert (*found, member.image_size, member.dropout_rate) == want


def test_only_the_first_block_of_a_stage_has_the_stride():
    strides = [block.stride for block in architecture("efficientnet-b0").blocks]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def test_a_skip_needs_equal_shapes_at_both_ends():
    skips = [index for index, b in enumerate(architecture("efficientnet-b0").blocks) if b.skip]
    assert skips == [2, 4, 6, 7, 9, 10, 12, 13, 14]


def test_drop_connect_grows_with_the_index_where_there_is_a_skip():
    rates = [block.drop_rate for block in architecture("efficientnet-b0").blocks]
    assert rates[0] == rates[1] == rates[15] == 0
    assert rates[2] == pytest.approx(0.2 * 2 / 16)
    assert rates[14] == pytest.approx(0.2 * 14 / 16)


def test_the_squeezed_width_counts_from_the_blocks_input():
    blocks = architecture("efficientnet-b0").blocks
    assert [block.squeeze_filters for block in blocks[:3]] == [8, 4, 6]
    assert not any(b.squeeze_filters for b in architecture("efficientnet-lite0").blocks)


def test_lite_members_keep_their_first_and_last_stage():
    b4, lite4 = architecture("efficientnet-b4"), architecture("efficientnet-lite4")
    assert (len(b4.blocks), len(lite4.blocks)) == (32, 30)
    assert lite4.activation == "relu6"


def test_edgetpu_members_begin_with_fused_blocks():
    blocks = architecture("efficientnet-edgetpu-S").blocks
    assert [block.fused for block in blocks] == [True] * 7 + [False] * 11
    assert not blocks[0].skip


def test_overrides_replace_the_published_figures():
    member = architecture(
        "efficientnet-b0",
        width=0.5,
        depth=2.0,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
        batch_norm_momentum=0.9,
    )
    assert (member.stem_filters, len(member.blocks)) == (16, 32)
    assert member.dropout_rate == 0.0
    assert member.batch_norm_momentum == 0.9
    assert not any(block.drop_rate for block in member.blocks)


def test_an_unknown_name_lists_the_members():
    with pytest.raises(ValueError, match=r"no such model; choose one of efficientnet-b0, .*-L$"):
        architecture("resnet-50")


def test_the_family_is_complete():
    assert len(MODEL_NAMES) == 18
