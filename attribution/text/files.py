"""What the page says of several files at once, and of an examination that was called off."""

from attribution.messages import gettext as _

TITLE = _("Files, the worst first")
COLUMNS = (_("File"), _("Answer"), _("Method"), _("Faces"), _("Why"))
UNUSABLE = _("Not usable")
ALL = _("All files")
OF = _("File {number} of {total}: {name}")
TOO_MANY = _("At most {most} files are examined at once. Give fewer.")
CSV, JSON = _("Table (CSV)"), _("Results (JSON)")
# Calling it off
CANCELLED = _("Cancelled. Give another file whenever you like.")
CANCELLED_AFTER = _("Cancelled: {done} of {total} files were examined.")
