"""The games on disk.

index              what is here, in one file
store              adding games: staged, checked, then added in one step
sources, importer  folders, zip and tar archives
fetch              the official archives
subsets            named parts of splits
verify             comparing the games with the index
"""
