import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from accounts import holds_account  # noqa: E402


def everywhere(_country):
    return True


class Accounts(unittest.TestCase):
    def test_numbers_are_found(self):
        # The examples of the IBAN registry.
        for number in ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]:
            self.assertTrue(holds_account(f"pay it to {number}, please", everywhere), number)
            self.assertTrue(holds_account(number, everywhere), number)

    def test_what_looks_like_one(self):
        for other in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XDE89370400440532013000",
            "DE89370400440532013000x",
            "DE89  370400440532013000",
            "de89370400440532013000",
            "XX89370400440532013000",
            "DEÄ9370400440532013000",
            "DE",
            "",
        ]:
            self.assertFalse(holds_account(other, everywhere), other)
        self.assertFalse(holds_account("DE89370400440532013000", lambda country: country == "FR"))


if __name__ == "__main__":
    unittest.main()
