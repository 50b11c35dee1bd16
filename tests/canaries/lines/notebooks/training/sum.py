# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
!echo one \
  two \
  three
# a form feed:  and a line separator:   end no line
assert total == 3
