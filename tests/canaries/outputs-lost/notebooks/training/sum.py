# %% name="sum"
from IPython.display import HTML, GeoJSON, Image, Markdown, display

total = 1 + 1
assert total == 2

# %% name="image"
HTML("<img src='data:image/png;base64,iVBORw0KGgo=' alt='2'>")

# %% name="drawing"
display(HTML("<p>2</p><svg viewBox='0 0 1 1'><path d='M0 0h1'/></svg>"))
print("shown")

# %% name="formula"
HTML("<math><mi>x</mi></math>")

# %% name="picture-of-markdown"
Markdown("![2](data:image/png;base64,iVBORw0KGgo=)")

# %% name="object"
class Total:
    pass


Total()

# %% name="moving"
Image(data=b"GIF89a", format="gif")

# %% name="map"
GeoJSON({"type": "Point", "coordinates": [1, 1]})

# %% name="colours"
HTML("<p style='color: red'>2</p>")

# %% name="large"
HTML("<table>" + "<tr><td>2</td></tr>" * 50_000 + "</table>")

# %% name="long"
print("2" * 200_000)
