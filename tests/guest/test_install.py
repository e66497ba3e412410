"""What `meson install` leaves is found where the host looks for it."""

from installed import complaints


def test_units_manual_catalogue_and_the_rule_for_needrestart_are_found(guest):
    assert complaints(guest) == []
